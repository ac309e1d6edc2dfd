"""What each program, book and document minimises: one table, from which every conversion is computed.

In jaxreg's objective the penalty is `λ1 Σ|w_j| + λ2/2 Σ w_j²` beside `1/(2Σs) Σ s r²`, with `λ1 = λρ` and
`λ2 = λ(1−ρ)`. Every other system differs by constant factors, powers of n (or `Σs`) and powers of `s_y`, the standard
deviation of y:

    λ1 = ℓ α c₁ n^i s_y^k,     λ2 = ℓ (1−α) c₂ n^j s_y^m

with ℓ and α what the system calls them. A system without an L1 part has `α = 0`, one without an L2 part `α = 1`.
"""

from fractions import Fraction
from typing import NamedTuple

__all__ = ["SYSTEMS", "System", "Weight"]


class Weight(NamedTuple):
    """`c n^i s_y^k`: what the system's λ (times its mixing share) is multiplied by in jaxreg's objective."""

    constant: Fraction = Fraction(1)
    n: int = 0
    y_scale: int = 0

    def __str__(self) -> str:
        above = str(self.constant.numerator) if self.constant.numerator != 1 else ""
        parts = [("n", self.n), ("s_y", self.y_scale)]
        below = [str(self.constant.denominator)] if self.constant.denominator != 1 else []
        below += [name for name, power in parts if power == -1]
        over = above + "".join(name for name, power in parts if power == 1)
        if not below:
            return over
        return f"{over or '1'}/{below[0]}" if len(below) == 1 else f"{over or '1'}/({''.join(below)})"


class System(NamedTuple):
    """One row of the table.

    Attributes:
        name: as ``convert`` takes it.
        objective: what is minimised, in the system's own letters.
        lam, share: what the system calls λ and the share of the L1 part; None where it has no such parameter.
        l1, l2: the weights of its two parts; None where it has no such part.
        held: the program that the conversion is held against by a test, or why there is none.
        note: what else has to be known.
    """

    name: str
    objective: str
    lam: str
    share: str | None
    l1: Weight | None
    l2: Weight | None
    held: str
    note: str = ""

    def __str__(self) -> str:
        lines = [f"{self.name} minimises  {self.objective}"]
        parts = [f"λ1 = {_product(self.lam, self.share, self.l1)}" if self.l1 else "λ1 = 0"]
        parts += [f"λ2 = {_product(self.lam, self.share and f'(1 - {self.share})', self.l2)}" if self.l2 else "λ2 = 0"]
        lines.append(f"in jaxreg's objective, λ1 Σ|w| + λ2/2 Σ w²:  {',  '.join(parts)}")
        if self.note:
            lines.append(self.note)
        return "\n".join([*lines, f"held against: {self.held}"])

    def __repr__(self) -> str:
        return str(self)


def _product(lam: str, share: str | None, weight: Weight) -> str:
    factor = str(weight)
    text = f"{lam}·{share}" if share else lam
    if factor.startswith("1/"):
        return text + factor[1:]
    return f"{factor}·{text}" if factor else text


ONE, TWO = Weight(), Weight(Fraction(2))
PER_ROW, PER_TWO_ROWS = Weight(n=-1), Weight(Fraction(1, 2), n=-1)
PER_Y_SCALE = Weight(y_scale=-1)
_Y_SCALE = "s_y: standard deviation of y, divisor n (Σw with weights); without an intercept √(Σ w y²/Σ w), uncentred."
_CENTRED_MEAN = "1/(2n) ‖y − b − Xw‖² + "
_MIXED = "(ρ ‖w‖₁ + (1−ρ)/2 ‖w‖²)"
_GLMNET = "(α ‖w‖₁ + (1−α)/2 ‖w‖²)"
_GLMNET_SCALED = "(α ‖β‖₁ + (1−α)/(2 s_y) ‖β‖²)"
_FORMULA = "its own formula, minimised in NumPy"

# Sources: the programs' documentation and code, as named in `held`; Hastie, Tibshirani and Friedman, The Elements of
# Statistical Learning, §3.4; James, Witten, Hastie and Tibshirani, An Introduction to Statistical Learning, §6.2;
# A. Ng, Machine Learning (course notes); the five source documents of jaxreg.formulas.sources.
SYSTEMS = {
    system.name: system
    for system in (
        System("jaxreg", "1/(2Σs) Σ s (y − b − Xw)² + lam (ρ ‖w‖₁ + (1−ρ)/2 ‖w‖²)", "lam", "l1_ratio", ONE, ONE,
               "itself", "With standardize=False. ρ is l1_ratio."),
        System("jaxreg.standardize", "1/(2Σs) Σ s (y − b − Xw)² + lam (ρ ‖w‖₁ + (1−ρ)/(2τ) ‖w‖²)", "lam", "l1_ratio",
               ONE, PER_Y_SCALE, "itself", "With standardize=True: w is measured in standard deviations of the columns "
               "and λ in units of y. s_y is τ: the standard deviation of y about its mean, without an intercept too."),
        System("sklearn.Ridge", "‖y − b − Xw‖² + alpha ‖w‖²", "alpha", None, None, PER_ROW, "scikit-learn 1.9",
               "Weights are not rescaled: with weights n is Σs. RidgeCV too."),
        System("sklearn.Lasso", _CENTRED_MEAN + "alpha ‖w‖₁", "alpha", None, ONE, None, "scikit-learn 1.9",
               "Weights are rescaled to the sum n. LassoCV too."),
        System("sklearn.ElasticNet", _CENTRED_MEAN + f"alpha {_MIXED}", "alpha", "l1_ratio", ONE, ONE,
               "scikit-learn 1.9", "ρ is l1_ratio; weights are rescaled to the sum n. ElasticNetCV too."),
        System("sklearn.MultiTaskLasso", "1/(2n) ‖Y − b − XW‖² + alpha Σ_j ‖W_j‖", "alpha", None, ONE, None,
               "scikit-learn 1.9", "‖W_j‖ is the norm of a row over the targets: with one target it is |w_j|."),
        System("glmnet", "½ Σ w (y − b − Xβ)² + lambda (α ‖β‖₁ + (1−α)/(2 s_y) ‖β‖²), Σw = 1", "lambda", "alpha", ONE,
               PER_Y_SCALE, "R glmnet 4.1-6 (stored fits)",
               'family="gaussian", the default: y is divided by s_y inside, and s_y is left over in the L2 part. '
               "penalty.factor is rescaled to the sum p. With an intercept the default is jaxreg.standardize. "
               + _Y_SCALE),
        System("glmnet.family_object", f"½ Σ w (y − b − Xβ)² + lambda {_GLMNET}, Σw = 1", "lambda", "alpha", ONE, ONE,
               "not run: no fit is stored", "family=gaussian(): no scaling of y."),
        System("glmstar", f"½ Σ w (y − b − Xβ)² + lambda {_GLMNET_SCALED}, Σw = 1", "lambda", "alpha", ONE, PER_Y_SCALE,
               "glmstar 0.6", "GaussNet. " + _Y_SCALE),
        System("glmnet_rs", f"½ Σ w (y − b − Xβ)² + lambda {_GLMNET_SCALED}, Σw = 1", "lambda", "alpha", ONE,
               PER_Y_SCALE, "glmnet-rs 0.1", "glmnetrs.glmnet; its estimators have scikit-learn's alpha. " + _Y_SCALE),
        System("scm2cpp.GramElasticNet", _CENTRED_MEAN + f"alpha {_MIXED}", "alpha", "l1_ratio", ONE, ONE,
               "scm2cpp-learn 0.19", "GramLasso, DesignLasso, CovLasso and DerivedLasso have its first term alone."),
        System("skein", _CENTRED_MEAN + "lambda_ (α ‖w‖₁ + (1−α)/2 ‖w‖²)", "lambda_", "alpha", ONE, ONE,
               "skein-glm 1.0", "ElasticNetRegressor."),
        System("glum", f"½ Σ w (y − b − Xβ)² + alpha {_MIXED}, Σw = 1", "alpha", "l1_ratio", ONE, ONE, "glum 3.4",
               'family="normal".'),
        System("celer", _CENTRED_MEAN + f"alpha {_MIXED}", "alpha", "l1_ratio", ONE, ONE, "celer 0.7",
               "The docstring of celer_path leaves out the ½ of the L2 part; the code has it."),
        System("skglm", _CENTRED_MEAN + f"alpha {_MIXED}", "alpha", "l1_ratio", ONE, ONE, "skglm 0.5"),
        System("adelie", "½ Σ w (y − b − Xβ)² + lmda Σ_g ω_g (alpha ‖β_g‖ + (1−alpha)/2 ‖β_g‖²), Σw = 1", "lmda",
               "alpha", ONE, ONE, "adelie 1.1 (stored fits)", "For groups of one column, whose ω is 1."),
        System("himalaya.Ridge", "‖Xb − Y‖² + alpha ‖b‖²", "alpha", None, None, PER_ROW, "himalaya 0.4"),
        System("cuml.Lasso", _CENTRED_MEAN + "alpha ‖w‖₁", "alpha", None, ONE, None,
               "not run: needs a GPU; read in cd.cuh",
               "Its header has ½ ‖·‖² + alpha …; the code multiplies alpha by n."),
        System("cuml.Ridge", "‖y − b − Xw‖² + alpha ‖w‖²", "alpha", None, None, PER_ROW,
               "not run: needs a GPU; read in its source"),
        System("spark", "1/2 mean (y/s_y − …)² + regParam/s_y …, in units of y/s_y", "regParam", "elasticNetParam", ONE,
               PER_Y_SCALE, "not run: read in an old copy of LinearRegression.scala",
               "Whether s_y has the divisor n or n − 1 depends on the solver. s_y: standard deviation of y."),
        System("h2o", f"1/(2N) RSS + lambda {_GLMNET}", "lambda", "alpha", ONE, ONE, "not run: read in its manual",
               "Numeric columns are standardised by default."),
        System("statsmodels", "½ RSS/n + alpha ((1−L1_wt)/2 ‖b‖² + L1_wt ‖b‖₁)", "alpha", "L1_wt", ONE, ONE,
               "statsmodels 0.15", "A constant column is penalised, unless alpha is a vector with 0 there."),
        System("ncvreg", f"1/(2n) RSS + lambda {_GLMNET}", "lambda", "alpha", ONE, ONE,
               "not run: read in setup_lambda.R", "Always standardises. The manual has deviance/n, the code 1/(2n)."),
        System("group_lasso", "½ mean r² + Σ_g √size_g group_reg ‖w_g‖ + l1_reg ‖w‖₁", "l1_reg", None, ONE, None,
               "not run: read in its source", "With group_reg = 0; in groups of one column it adds to l1_reg."),
        System("jaxopt", "½ mean r² + λ1 ‖w‖₁ + λ2/2 ‖w‖²", "lam", "l1_ratio", ONE, ONE, "not run: read in its source",
               "prox_elastic_net takes (lam·l1_ratio, (1 − l1_ratio)/l1_ratio), ridge_regression lam. The docstring "
               "of prox_ridge leaves out a ½."),
        System("ng", "1/(2m) [Σ r² + λ Σ_{j≥1} θ_j²]", "λ", None, None, PER_ROW, _FORMULA),
        System("islr.ridge", "RSS + λ Σ β²", "λ", None, None, PER_ROW, _FORMULA),
        System("islr.lasso", "RSS + λ Σ |β|", "λ", None, PER_TWO_ROWS, None, _FORMULA),
        System("esl.ridge", "RSS + λ Σ β²", "λ", None, None, PER_ROW, _FORMULA),
        System("esl.lasso", "½ RSS + λ Σ |β|", "λ", None, PER_ROW, None, _FORMULA),
        System("document.000.ridge", "1/(2m) Σ r² + λ Σ_{j≥1} θ_j²", "λ", None, None, TWO, _FORMULA,
               "The loss as printed. Its printed update belongs to another loss, that of ng."),
        System("document.000.lasso", "1/(2m) Σ r² + λ Σ_{j≥1} |θ_j|", "λ", None, ONE, None, _FORMULA,
               "The loss as printed. In its printed update λ is divided by m: give λ/m."),
        System("document.001", "‖y − Xβ‖² + λ ‖β‖²", "λ", None, None, PER_ROW, _FORMULA),
        System("document.002", "(1/n) Σ (y − ŷ)² + λ Σ w²", "λ", None, None, ONE, _FORMULA),
        System("document.003", "(1/n) Σ (y − wᵀx)² + λ Σ w²", "λ", None, None, ONE, _FORMULA,
               "The loss as printed. Its printed closed form belongs to another loss, that of document.001."),
        System("document.004", "1/(2m) [Σ r² + λ Σ_{j≥1} θ_j²]", "λ", None, None, PER_ROW, _FORMULA),
    )
}  # fmt: skip
