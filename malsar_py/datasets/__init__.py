"""Data sets: shipped (``load_*``), downloaded (``fetch_*``) and simulated (``make_*``)."""

from ._clinical import fetch_oasis_longitudinal, fetch_parkinsons
from ._exam import load_exam
from ._gdsc import fetch_gdsc
from ._grouse import fetch_grouseticks
from ._landmine import fetch_landmine
from ._newsgroups import fetch_newsgroups_pairs
from ._sarcos import fetch_sarcos_subset
from ._school import fetch_school, load_school_splits
from ._simulated import make_clustered, make_graph, make_joint_feature, make_low_rank
from ._survey import fetch_computer_survey

__all__ = [
    "fetch_computer_survey",
    "fetch_gdsc",
    "fetch_grouseticks",
    "fetch_landmine",
    "fetch_newsgroups_pairs",
    "fetch_oasis_longitudinal",
    "fetch_parkinsons",
    "fetch_sarcos_subset",
    "fetch_school",
    "load_exam",
    "load_school_splits",
    "make_clustered",
    "make_graph",
    "make_joint_feature",
    "make_low_rank",
]
