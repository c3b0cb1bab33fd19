"""Pure numerics: evidence, intervals, guards and thresholds. No input or output, no clock.

Importing it costs nothing but the standard library; the reference is the statistics chapter of the
design, and each function names its formula, units and source.
"""

from tidegate.stats.counters import increase
from tidegate.stats.counts import NO_COUNTS, Counts, Margin
from tidegate.stats.eprocess import Comparison, log_mean_exp
from tidegate.stats.guard import guard_log_e
from tidegate.stats.intervals import Interval, difference_interval, ratio_interval
from tidegate.stats.latency import Histogram, NoThreshold, Threshold, latency_thresholds

__all__ = [
    "NO_COUNTS",
    "Comparison",
    "Counts",
    "Histogram",
    "Interval",
    "Margin",
    "NoThreshold",
    "Threshold",
    "difference_interval",
    "guard_log_e",
    "increase",
    "latency_thresholds",
    "log_mean_exp",
    "ratio_interval",
]
