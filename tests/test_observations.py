"""Sentences after figures say what their tables hold, and change with them."""

import pandas as pd

from vjepa_lib.analysis import observations


def test_variance_over_time():
    shares = pd.DataFrame({"encoder": ["a", "b"], "between places": [90.0, 25.4]})
    assert observations.variance_over_time(shares).endswith("place (%): a 10, b 75")
