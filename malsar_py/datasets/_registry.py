"""Where each downloaded file comes from, and the SHA-256 it must have.

The name of a file here is its name in the cache, and in the folder named by ``MALSAR_PY_DATA``.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["REMOTE", "Source"]


class Source(NamedTuple):
    """A file on the web and the SHA-256 of its bytes."""

    url: str
    sha256: str


def _github(repository: str, commit: str, path: str, sha256: str) -> Source:
    """Return the source of a file of a GitHub repository at a commit."""
    return Source(f"https://raw.githubusercontent.com/{repository}/{commit}/{path}", sha256)


def _malsar(path: str, sha256: str) -> Source:
    commit = "fb9751594983df020ddc4f7e4a40520ee7c37989"
    return _github("jiayuzhou/MALSAR", commit, f"data/{path}", sha256)


def _gdsctools(name: str, sha256: str) -> Source:
    commit = "35829564b7a30e5874da8d97fef76261d7e5bcf3"
    return _github("CancerRxGene/gdsctools", commit, f"gdsctools/data/{name}", sha256)


REMOTE = {
    "school.mat": _malsar(
        "school.mat", "57fb3238fdd03a9aa17276e2ce18d9bbb5d128c3261e794fe6233b58b6909068"
    ),
    "newsgroup/comp.vs.sci.task1.mat": _malsar(
        "Newsgroup/comp.vs.sci/task1.mat",
        "136e73185215cdc5fe7af4c2e0d86dae9da864e119fef95253ef6614d139d7ab",
    ),
    "newsgroup/comp.vs.sci.task2.mat": _malsar(
        "Newsgroup/comp.vs.sci/task2.mat",
        "efafdffe36f05668f9cd638cbfad45a96b6e69e385a65fb7a24dda6082adec52",
    ),
    "newsgroup/rec.vs.talk.task1.mat": _malsar(
        "Newsgroup/rec.vs.talk/Task1.mat",
        "2ccc2c933adb5e9a88524e0d0a90022ee925e3395fead485c2d7d31a14149997",
    ),
    "newsgroup/rec.vs.talk.task2.mat": _malsar(
        "Newsgroup/rec.vs.talk/Task2.mat",
        "162fe06ddbad645577a2c538645f72115416811f8ee6dffc2fe2944a1c632e08",
    ),
    "conjointAnalysisComputerBuyers.mat": _github(
        "probml/pmtkdata",
        "42bc2738a294382f9d6ffb1b0203404ffb10295a",
        "conjointAnalysisComputerBuyers/conjointAnalysisComputerBuyers.mat",
        "6e6b5f98f438c7d15ed6c7adab44322c9345f52263a4f3026322019f184679b5",
    ),
    "LandmineData.mat": _github(
        "daizhongxiang/Federated_Bayesian_Optimization",
        "30a4548606f2ae9bc62c6bf0eb4110177aa3876a",
        "LandmineData.mat",
        "2163ab20a80e33a8b65593c48cf283c540599dcb291105e63fa4af2ce24c2bea",
    ),
    "parkinsons_updrs.data": _github(
        "shikashyam/ParkinsonsTelemonitoring",
        "deb237cac5ac21f2254f96077e53ec90f401a4c5",
        "parkinsons_updrs.data",
        "52229b3075c2109a2c144f5584d88cc5ea99022a9a9eaa6d978b2e8e7c6bc501",
    ),
    "sub_sarcos.csv": _github(
        "squall1988/multi-task-gradient-boosting",
        "4f75588884b587ea3e70639cd08708f6df2c5d76",
        "data/sarcos/sub_sarcos.csv",
        "a300157eb958a659e57ce1a67862b2a96c4cac6c7acca6a1a5e8e2893dcafe5e",
    ),
    "grouseticks.csv": _github(
        "vincentarelbundock/Rdatasets",
        "1c97ab8a1df2469762e635481ba27cf4e80e3e51",
        "csv/lme4/grouseticks.csv",
        "8b74d5a7929a5f137ac3766badc1fc39ffc6a97cdf215e62fdd8dc9947db1ef0",
    ),
    "oasis_longitudinal.csv": _github(
        "Shirly100/Predicting-Alzheimer-Disease-with-machine-learning-tools",
        "235aad636b2b0fe91e890cfb68306e95208a1d4d",
        "oasis_longitudinal.csv",
        "7759eb3627961b7ee2ed0dd1065f28c3530dd0a3a4258b6d7866bf7f61939f7f",
    ),
    "IC50_v17.csv.gz": _gdsctools(
        "IC50_v17.csv.gz", "db719ed21ab8725611b9c2ff74dfc0063ff657bc4758ccc97489a047ec46f9d7"
    ),
    "genomic_features_v17.csv.gz": _gdsctools(
        "genomic_features_v17.csv.gz",
        "1bc36a0d332b2d3d7acc14960a4c053a5b5415f78d063d488ad4808b72d4a93b",
    ),
}
