"""Columns of text in tables, the same with pandas 2 and pandas 3."""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["TEXT_DTYPE", "as_text"]

_PANDAS_3 = int(pd.__version__.partition(".")[0]) >= 3

#: Type of columns of text or missing values: pandas 3 has one for text; with pandas 2, `str` would
#: turn missing values into the text "nan" or "None".
TEXT_DTYPE: Any = "str" if _PANDAS_3 else object


def as_text(values: "pd.Series[Any]") -> "pd.Series[str]":
    """Return values as text; missing values stay missing."""
    if _PANDAS_3:
        return values.astype("str")
    # The column may be of a type that cannot hold text, such as a category.
    text: pd.Series[Any] = values.astype(object).map(str, na_action="ignore").astype(object)
    return text.where(text.notna(), np.nan)
