"""
The tests that scikit-learn has for its search classes hold for ours, wherever the fits are made.

Nothing is copied: the tests are those of the installed scikit-learn, which import our classes by its names.
"""

import pytest
import sklearn
from tests.search.scikit_learns import OURS, own_tests, replaced

from manyfit.search import evaluating
from manyfit.search.searching import Search

VERSION = "1.9."
if not sklearn.__version__.startswith(VERSION):
    pytest.skip(
        f"these lists are of the tests of scikit-learn {VERSION}x, not {sklearn.__version__}",
        allow_module_level=True,
    )

WHOLE = (
    "model_selection.tests.test_search",
    "model_selection.tests.test_successive_halving",
    "tests.test_metaestimators_metadata_routing",
)
"""Modules of scikit-learn whose tests are all about search classes, or can be narrowed to them."""
USERS = {
    "decomposition.tests.test_kernel_pca": ("test_gridsearch_pipeline", "test_gridsearch_pipeline_precomputed"),
    "ensemble.tests.test_bagging": ("test_gridsearch",),
    "ensemble.tests.test_forest": ("test_gridsearch",),
    "ensemble.tests.test_voting": ("test_gridsearch",),
    "ensemble.tests.test_weight_boosting": ("test_gridsearch",),
    "feature_extraction.tests.test_text": (
        "test_count_vectorizer_pipeline_grid_selection",
        "test_vectorizer_pipeline_grid_selection",
    ),
    "impute.tests.test_impute": ("test_imputation_pipeline_grid_search",),
    "linear_model.tests.test_coordinate_descent": ("test_enet_cv_grid_search",),
    "linear_model.tests.test_logistic": (
        "test_elastic_net_vs_l1_l2",
        "test_LogisticRegressionCV_GridSearchCV_elastic_net",
        "test_multinomial_cv_iris",
    ),
    "linear_model.tests.test_ridge": ("test_ridgecv_sample_weight",),
    "linear_model.tests.test_sgd": ("test_multi_core_gridsearch_and_early_stopping",),
    "metrics.tests.test_regression": ("test_dummy_quantile_parameter_tuning",),
    "metrics.tests.test_score_objects": (
        "test_check_scoring_gridsearchcv",
        "test_Pipeline_in_PassthroughScorer",
        "test_raises_on_score_list",
    ),
    "model_selection.tests.test_split": ("test_nested_cv",),
    "model_selection.tests.test_validation": (
        "test_cross_validate_many_jobs",
        "test_gridsearchcv_cross_val_predict_with_method",
    ),
    "neighbors.tests.test_kde": ("test_kde_pipeline_gridsearch",),
    "tests.test_base": (
        "test_is_classifier",
        "test_is_clusterer",
        "test_is_regressor",
        "test_set_params_passes_all_parameters",
        "test_set_params_updates_valid_params",
    ),
    "tests.test_metaestimators": ("test_metaestimator_delegation",),
    "tests.test_multiclass": ("test_ecoc_gridsearch", "test_ovo_gridsearch", "test_ovr_gridsearch"),
    "tests.test_multioutput": ("test_multi_output_predict_proba",),
    "utils._repr_html.tests.test_estimator": ("test_duck_typing_nested_estimator",),
    "utils.tests.test_parallel": ("test_dispatch_config_parallel",),
}
"""Tests in other modules of scikit-learn that use a search class."""
TESTS = {name: test for place in WHOLE for name, test in own_tests(place).items()}
TESTS |= {name: test for place, names in USERS.items() for name, test in own_tests(place, names).items()}
globals().update({f"test_{name}": test for name, test in TESTS.items()})

KEEPS = "a scorer or an estimator that notes in this process what it sees; in another one it notes it there"
DIFFERENT = {
    "here": {},
    "pool": {},
    "store": {
        "search__multi_metric_search_forwards_metadata": KEEPS,
        "metaestimators_metadata_routing__metadata_is_routed_correctly_to_scorer": KEEPS,
        "successive_halving__base_estimator_inputs": KEEPS,
        "successive_halving__cv_results": "draws its scores from a stream, of which each worker has a copy",
    },
}
"""Tests that hold only where all fits are made in one process, also with scikit-learn's classes."""
SLOW = {
    "logistic__multinomial_cv_iris",
    "parallel__dispatch_config_parallel",
    "sgd__multi_core_gridsearch_and_early_stopping",
    "split__nested_cv",
    "validation__cross_validate_many_jobs",
    "validation__gridsearchcv_cross_val_predict_with_method",
}
STORED = {
    "search__callable_multimetric_confusion_matrix",
    "search__grid_search_failing_classifier_raise",
    "search__pandas_input",
    "search__pickle",
    "search__refit_callable_multi_metric",
}
"""Tests in a store that are part of the full suite; the others take some minutes."""
pytestmark = [pytest.mark.filterwarnings("ignore")]


def pytest_generate_tests(metafunc):
    """Run each test in three ways."""
    name = metafunc.definition.originalname.removeprefix("test_")
    stored = [pytest.mark.slow] if name in STORED else [pytest.mark.long, pytest.mark.timeout(900)]
    ways = [
        pytest.param("here", marks=[pytest.mark.slow] if name in SLOW else []),
        pytest.param("pool", marks=pytest.mark.slow),
        pytest.param("store", marks=stored),
    ]
    metafunc.parametrize("way", ways, indirect=True)


@pytest.fixture
def global_random_seed():
    """What scikit-learn's tests call by this name: the seed that they have by default."""
    return 42


@pytest.fixture(autouse=True)
def way(request, monkeypatch, tmp_path):
    """Have all fits made in this process, in runners, or by workers for a store."""
    reason = DIFFERENT[request.param].get(request.node.originalname.removeprefix("test_"))
    if reason is not None:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    monkeypatch.setattr(evaluating, "n_runners", lambda n_jobs: 1 if request.param == "here" else 2)
    if request.param == "pool":
        request.getfixturevalue("pooled")
    elif request.param == "store":
        in_a_store(request, monkeypatch, str(tmp_path / "searches"))
    with replaced():
        yield


def in_a_store(request, monkeypatch, folder):
    """Have searches that are made during a test, and those that it was given, use a store in *folder*."""
    for cls in OURS.values():
        monkeypatch.setitem(cls.__init__.__kwdefaults__, "store", folder)
    monkeypatch.setattr(Search, "store", folder)
    given = request.node.callspec.params.values()
    for search in given:
        if isinstance(search, Search):
            monkeypatch.setattr(search, "store", folder)
