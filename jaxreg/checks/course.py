"""The course that every check takes: points → compare → kinks, differences → diagnose → report.

What a kind of check has of its own is a :class:`~jaxreg.checks.subjects.Check`: two vectors that should be equal, and
how to make them at other sizes.
"""

from dataclasses import replace

import numpy as np

from jaxreg.checks.compare import Measured, disagreement, leaf_scale, lowest_precision, measure
from jaxreg.checks.data import like
from jaxreg.checks.diagnosis import diagnose
from jaxreg.checks.differences import against_differences
from jaxreg.checks.evaluation import NOT_TRACEABLE, each
from jaxreg.checks.evidence import POINTS, evidence
from jaxreg.checks.fits import fit
from jaxreg.checks.kinks import Kinks, at_kinks
from jaxreg.checks.points import kink_points, random_points
from jaxreg.checks.potential import implied_by, integral, jacobian_asymmetry
from jaxreg.checks.program import NOTHING, Program, trace
from jaxreg.checks.report import Finding, Report
from jaxreg.checks.subjects import Check, Subject

__all__ = ["examine"]


def examine(check: Check, points: int, seed: int) -> Report:
    """Compares at so many random points, and where something is wrong says what."""
    rng, subject = np.random.default_rng(seed), check.subject
    eps = lowest_precision(subject.program, _program_of(subject))
    slack = 0.0 if eps < 1e-12 else 64 * eps
    notes = [f"computes in less than float64: differences below {slack:.0e} are rounding"] if slack else []
    candidates = (like if check.data else random_points)(subject.params, points, rng)
    kinks = Kinks()
    if subject.differentiates and not check.free_scale:
        kinks = at_kinks(subject, kink_points(subject.params, rng), rng, slack)
        notes += kinks.notes
        candidates = np.concatenate([candidates, *(point[None] for point in kinks.smooth)])
    if check.free_scale:
        subject, scale = _with_scale(subject, candidates)
        notes.append(f"an overall factor cannot be determined without the step size; taken as {scale:.6g}")
    check = check._replace(subject=subject, slack=slack)
    measured, findings, left_out = _finite(subject, measure(subject, candidates, rng, eps))
    if left_out:
        notes.append(f"{left_out} random points were left out: the loss is not finite there")
    wrong = disagreement(measured).any(axis=0)
    if not wrong.any():  # a slip that shows everywhere shows at kinks too
        findings += kinks.findings
    if subject.differentiates and len(measured.points):
        findings += _of_autodiff(subject, measured.points, rng, eps)
    report = Report(
        title=check.title,
        findings=tuple(findings),
        errors=_errors(subject, measured),
        tolerance=float(np.max(_relative(measured.allowed, measured, subject), initial=0.0)),
        points=len(measured.points),
        kinks=kinks.kinky,
        conventions=tuple(kinks.conventions),
        notes=tuple(notes),
    )
    return _explained(report, check, measured, wrong, rng) if wrong.any() else report


def _explained(report: Report, check: Check, measured: Measured, wrong: np.ndarray, rng: np.random.Generator) -> Report:
    """The report with what is wrong, and with the loss that the claim belongs to."""
    subject = check.subject
    explained = diagnose(check, measured.points, wrong, rng)
    findings = (*(explained or [_unexplained(subject, measured, wrong)]), *report.findings)
    report = replace(report, findings=findings)
    if not subject.differentiates or check.free_scale:
        return report
    asymmetry = jacobian_asymmetry(subject, measured.points)
    implied_loss = integral(subject) if asymmetry <= 1e-6 else None
    return replace(report, implied=implied_by(explained, subject, asymmetry), implied_loss=implied_loss)


def _of_autodiff(subject: Subject, points: np.ndarray, rng: np.random.Generator, eps: float) -> list[Finding]:
    """Whether automatic differentiation is right."""
    differences = against_differences(subject, points, rng, eps)
    if differences.autodiff:
        return []
    also = "; the hand-derived formula agrees with them" if differences.claimed else ""
    sentence = (
        "automatic differentiation of the loss disagrees with its central differences (relative error "
        f"{differences.error:.2g}){also}: look for a custom rule or stop_gradient in the loss"
    )
    return [Finding("autodiff", sentence)]


def _finite(subject: Subject, measured: Measured) -> tuple[Measured, list[Finding], int]:
    """Leaves out points at which the loss itself is not finite; refuses a claim or autodiff that alone is not."""
    findings = []
    finite = np.ones(len(measured.points), bool)
    if subject.differentiates:
        finite = np.isfinite(each(subject.loss.value, measured.points, subject.args.arrays))
    truth_finite = np.isfinite(measured.truth).all(axis=1)
    if (finite & ~truth_finite).any():
        where = ", ".join(_at(subject, ~np.isfinite(measured.truth[finite])))
        findings.append(
            Finding("autodiff", f"automatic differentiation gives nan or inf by {where} where the loss is finite")
        )
    keep = finite & truth_finite
    measured = Measured(*(part[keep] for part in measured))
    if not keep.any():
        raise ValueError(
            "the loss or its derivative is finite at no random point; give parameters of the right magnitude."
        )
    bad = ~np.isfinite(measured.claimed)
    if bad.any():
        labels = _at(subject, bad)
        share = f"{int(bad.any(axis=1).sum())} of {len(bad)} points, where the loss is finite"
        sentence = f"the claimed value by {', '.join(labels[:6])} is nan or inf at {share}"
        findings.append(Finding("not finite", sentence, None, tuple(labels)))
    return measured, findings, int((~finite).sum())


def _with_scale(subject: Subject, points: np.ndarray) -> tuple[Subject, float]:
    """The subject with its claim divided by the step size that its first term shows."""
    seen = evidence(subject, points[:POINTS])
    scale = float(fit(seen.claimed, seen.terms).coefficients[0]) or 1.0
    claimed = subject.claimed
    return subject._replace(claimed=lambda x, arrays: claimed(x, arrays) / scale), scale


def _program_of(subject: Subject) -> Program:
    """The program of the claim; empty where it is no JAX function."""
    try:
        return trace(lambda x, *arrays: subject.claimed(x, arrays), [subject.params.vector, *subject.args.arrays])
    except (*NOT_TRACEABLE, TypeError):
        return NOTHING


def _unexplained(subject: Subject, measured: Measured, wrong: np.ndarray) -> Finding:
    where = tuple(np.array(subject.labels)[wrong])
    place = "everywhere" if wrong.all() else f"at {', '.join(where[:6])}{' …' * (len(where) > 6)}"
    largest = float(np.nanmax(_relative(np.abs(measured.claimed - measured.truth), measured, subject)))
    return Finding("unexplained", f"not equal {place}, by up to {largest:.3g} of the largest coordinate", None, where)


def _relative(difference: np.ndarray, measured: Measured, subject: Subject) -> np.ndarray:
    """(P, d): relative to the largest coordinate of the leaf at the point, of all leaves where that is 0."""
    own = leaf_scale(measured.truth, subject.leaves)
    everywhere = np.max(np.abs(measured.truth), axis=1, keepdims=True)
    return difference / np.where(own > 0, own, np.where(everywhere > 0, everywhere, 1.0))


def _errors(subject: Subject, measured: Measured) -> dict[str, float]:
    relative = _relative(np.abs(measured.claimed - measured.truth), measured, subject)
    return dict(zip(subject.labels, map(float, np.max(relative, axis=0)), strict=True))


def _at(subject: Subject, bad: np.ndarray) -> list[str]:
    return [str(label) for label in np.array(subject.labels)[bad.any(axis=0)]]
