"""The choice that a sweep leads to, in sentences."""

import numpy as np

from jaxreg.plot.errors import MEASURES
from jaxreg.results import Choice, Sweep

__all__ = ["choice_in_words", "measured", "rounded", "time_in_words"]

_MOST_NAMES = 12
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def choice_in_words(sweep: Sweep) -> list[str]:
    """What was chosen and why, one string a paragraph.

    Args:
        sweep: of one target, with feature names.
    """
    best, one_se = sweep.best, sweep.one_se
    p = len(best.params.coef)
    measure = MEASURES[sweep.measure]
    mean, se = (getattr(sweep, f"{part}_{sweep.measure}") for part in ("mean", "se"))
    at = lambda choice: measured(float(mean[tuple(choice.index)]), float(se[tuple(choice.index)]))
    extreme, beyond = ("largest", "below") if sweep.measure == "r2" else ("least", "above")
    ratio = f" and l1_ratio = {best.l1_ratio:g}" if len(sweep.l1_ratios) > 1 else ""
    said = [
        f"The {extreme} held-out {measure} is {at(best)} (one standard error), at λ = {rounded(best.lam, 4)}{ratio}: "
        f"{_used(best, p, sweep)}."
    ]
    if sweep.mean_r2 is not None and sweep.measure != "r2":
        explained = float(sweep.mean_r2[tuple(best.index)])
        said[0] += f" It explains {max(explained, 0):.0%} of the variance of rows that the fit has not seen."
    if np.array_equal(best.index, one_se.index):
        said.append("No larger λ is within one standard error of it: both rules take the same model.")
    else:
        said.append(
            f"The largest λ whose error is at most one standard error {beyond} that is {rounded(one_se.lam, 4)}, "
            f"with {at(one_se)}: {_used(one_se, p, sweep)}. "
            f"Its {'coefficients are smaller' if one_se.n_nonzero == best.n_nonzero else 'model is the simpler one'}, "
            "and the data do not tell the two apart."
        )
    lams = sweep.lams[int(best.index[0])]
    if len(lams) > 1 and not sweep.end_in_words:  # else that is said already, as a warning
        if best.lam == lams.min() > 0:
            said.append(
                "The minimum is at the smallest λ of the grid, where the error is flat: less would change little."
            )
        if best.lam == lams.max() and best.n_nonzero > 0:
            said.append(
                "The minimum is at the largest λ of the grid, where the error is flat: more would change little."
            )
    return said


def rounded(value: float, digits: int) -> str:
    """Rounded to so many digits, with all those before the point."""
    return f"{value:.{digits}g}" if not 10**digits <= abs(value) < 1e9 else f"{value:.0f}"


def measured(mean: float, se: float) -> str:
    """A mean with its standard error in one notation: three digits of the error, and the mean to the same place.

    Example:
        >>> measured(2991.24, 123.4), measured(6.5123e9, 1.234e8)
        ('2991 ± 123', '(6.512 ± 0.123)·10⁹')
    """
    size = max(abs(mean), se)
    power = int(np.floor(np.log10(size))) if size > 0 else 0
    power = power if power >= 6 or power < -4 else 0
    mean, se = mean / 10.0**power, se / 10.0**power
    decimals = int(min(max(0, 2 - np.floor(np.log10(se))), 9)) if se > 0 else 4
    text = f"{mean:.{decimals}f} ± {se:.{decimals}f}"
    return text if power == 0 else f"({text})·10{str(power).translate(_RAISED)}"


def time_in_words(seconds: tuple[float, float]) -> str:
    """Seconds of solving, and of compiling where something was compiled."""
    solving, compiling = seconds
    return f"{solving:.2f} s" + (f", and {compiling:.2f} s to compile" if compiling >= 0.005 else "")


def _used(choice: Choice, p: int, sweep: Sweep) -> str:
    """How many features are used, and which: the largest first."""
    count = int(choice.n_nonzero)
    if count == 0:
        return "no feature is used"
    if count == p:
        return f"all {p} features are used"
    size = np.abs(choice.params.coef) * sweep.path.scale
    order = np.argsort(-size, kind="stable")[: min(count, _MOST_NAMES)]
    names = [" ".join((sweep.feature_names or ())[j].split()) for j in order]
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return f"{count} of {p} features {'is' if count == 1 else 'are'} used ({', '.join(names)}{more})"
