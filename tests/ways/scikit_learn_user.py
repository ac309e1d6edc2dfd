#!/usr/bin/env python
"""A user of scikit-learn: one import line changes; pipelines, searches, pickles and workers stay."""

import pickle
import sys
import time

import numpy as np
import pandas
from sklearn import linear_model
from sklearn.compose import make_column_transformer
from sklearn.feature_selection import RFECV
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

import jaxreg
from jaxreg import ElasticNet, LassoCV, Ridge

if __name__ == "__main__":  # joblib's workers import this file
    cache = jaxreg.use_cache()
    data = jaxreg.datasets.diabetes()
    X = pandas.DataFrame(data.X, columns=data.feature_names)
    X["site"] = np.where(X["age"] > 0, "north", "south")
    X.loc[::17, "bmi"] = np.nan
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    prepare = make_column_transformer((OneHotEncoder(), ["site"]), remainder=numbers)
    ours, theirs = (make_pipeline(prepare, model(cv=5)).fit(X, data.y) for model in (LassoCV, linear_model.LassoCV))
    np.testing.assert_allclose(ours[-1].alpha_, theirs[-1].alpha_, rtol=1e-10)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-2)  # theirs stops at 1e-4
    again = pickle.loads(pickle.dumps(ours))
    np.testing.assert_array_equal(again.predict(X), ours.predict(X))

    search = GridSearchCV(
        make_pipeline(PolynomialFeatures(), StandardScaler(), ElasticNet(max_iter=5000)),
        {"polynomialfeatures__degree": [1, 2], "elasticnet__alpha": [0.1, 1.0]},
        cv=3,
    ).fit(data.X, data.y)
    print(search.best_params_, round(search.best_score_, 3))
    kept = RFECV(Ridge(), cv=3).fit(data.X, data.y)
    assert 3 <= kept.n_features_ <= 10

    seconds = {}
    for n_jobs in (1, 2):
        start = time.perf_counter()
        scores = cross_val_score(LassoCV(cv=5), data.X, data.y, cv=10, n_jobs=n_jobs)
        seconds[n_jobs] = time.perf_counter() - start
        assert 0.3 < scores.mean() < 0.6
    print({n_jobs: round(s, 2) for n_jobs, s in seconds.items()}, file=sys.stderr)
