"""Small files in the formats of the downloaded data sets, by their names in the cache."""

from __future__ import annotations

import gzip
import io

import numpy as np
import scipy.io
import scipy.sparse


def _mat(**variables):
    file = io.BytesIO()
    scipy.io.savemat(file, variables)
    return file.getvalue()


def _cells(blocks):
    cells = np.empty((1, len(blocks)), dtype=object)
    for t, block in enumerate(blocks):
        cells[0, t] = block
    return cells


def _school(rng):
    return _mat(
        X=_cells([rng.integers(0, 2, size=(n, 4)).astype(np.uint8) for n in (3, 2)]),
        Y=_cells([rng.integers(1, 71, size=(n, 1)).astype(np.uint8) for n in (3, 2)]),
    )


def _landmine(rng):
    return _mat(
        feature=_cells([rng.standard_normal((n, 9)) for n in (3, 2)]),
        label=_cells([np.eye(n, 1, dtype=np.uint8) for n in (3, 2)]),
    )


def _newsgroup(rng, n_rows):
    counts = scipy.sparse.csc_matrix(rng.integers(0, 3, size=(n_rows, 6)).astype(float))
    return _mat(fea=counts, gnd=rng.integers(1, 3, size=(n_rows, 1)).astype(np.uint8))


def _survey(rng):
    design = rng.choice([-1, 1], size=(4, 14)).astype(np.int16)
    design[:, 0] = 1
    return _mat(designMarix=design, likeBuy=rng.integers(0, 11, size=(3, 4)).astype(np.uint8))


_PARKINSONS = """\
subject#\tage\tsex\ttest_time\tmotor_UPDRS\ttotal_UPDRS\tJitter(Abs)
1\t72\t0\t5.6\t28.2\t34.4\t3.38E-05
1\t72\t0\t12.7\t28.4\t34.9\t1.68E-05
2\t58\t1\t-4.3\t20.5\t26.1\t2.5E-05
"""
_SARCOS = """\
{},11.5,7.0
{},-3.25,2.0
""".format(*(",".join(f"{value}.5" for value in range(low, low + 21)) for low in (0, 30)))
_OASIS = """\
Subject ID,MRI ID,Group,Visit,MR Delay,M/F,Hand,Age,EDUC,SES,MMSE,CDR,eTIV,nWBV,ASF
B,B_MR1,Demented,1,0,F,R,70,12,,25,0.5,1400,0.7,1.2
B,B_MR2,Demented,2,500,F,R,71,12,,22,1,1410,0.69,1.19
A,A_MR2,Nondemented,3,900,M,R,83,16,2,29,0,1600,0.75,1.1
A,A_MR1,Nondemented,1,0,M,R,80,16,2,30,0,1610,0.76,1.09
"""
_GROUSE = """\
rownames,INDEX,TICKS,BROOD,HEIGHT,YEAR,LOCATION,cHEIGHT
1,1,0,501,465,95,32,2.5
2,2,7,501,465,95,32,2.5
3,3,31,601,410,96,3,-52.5
4,4,2,701,410,97,3,-52.5
"""
_GENES = """\
COSMIC_ID,TISSUE_FACTOR,MSI_FACTOR,BRAF_mut
30,lung,0,1
10,skin,1,0
20,lung,0,0
"""
_RESPONSE = """\
COSMIC_ID,Drug_1_IC50,Drug_3_IC50
10,-1.5,
20,,
30,2.25,0.5
"""


def tiny_files():
    """Return the bytes of every file of the registry, by name."""
    rng = np.random.default_rng(0)
    return {
        "school.mat": _school(rng),
        "newsgroup/comp.vs.sci.task1.mat": _newsgroup(rng, 3),
        "newsgroup/comp.vs.sci.task2.mat": _newsgroup(rng, 2),
        "newsgroup/rec.vs.talk.task1.mat": _newsgroup(rng, 4),
        "newsgroup/rec.vs.talk.task2.mat": _newsgroup(rng, 3),
        "conjointAnalysisComputerBuyers.mat": _survey(rng),
        "LandmineData.mat": _landmine(rng),
        "parkinsons_updrs.data": _PARKINSONS.encode(),
        "sub_sarcos.csv": _SARCOS.encode(),
        "oasis_longitudinal.csv": _OASIS.encode(),
        "grouseticks.csv": _GROUSE.encode(),
        "IC50_v17.csv.gz": gzip.compress(_RESPONSE.encode()),
        "genomic_features_v17.csv.gz": gzip.compress(_GENES.encode()),
    }
