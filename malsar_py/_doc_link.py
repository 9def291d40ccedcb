"""Where the HTML representation of an estimator links to, parameter by parameter."""

from __future__ import annotations

SITE = "https://malsar-py.readthedocs.io/en/stable/"

# scikit-learn links to the pages of classes of this package only, not of classes derived elsewhere.
PACKAGE = "malsar_py"


def page_of(name: str = "{estimator_name}") -> str:
    """The address of a page about a public name; scikit-learn fills in the name of the class."""
    return f"{SITE}api/{PACKAGE}.{name}.html"
