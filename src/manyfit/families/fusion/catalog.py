"""Which fusion rules there are, by class; a module of rules is imported when one of them is asked for."""

from collections.abc import Mapping, Sequence
from importlib import import_module

from manyfit.contracts.fusion import Guarantee, Rule

MODULES: Mapping[str, tuple[str, ...]] = {
    "coordinate": ("sklearn.linear_model:ElasticNet", "sklearn.linear_model:Lasso"),
    "kernel_ridge": ("sklearn.kernel_ridge:KernelRidge",),
    "nets": ("sklearn.neural_network:MLPClassifier", "sklearn.neural_network:MLPRegressor"),
    "ridge": ("sklearn.linear_model:Ridge", "sklearn.linear_model:RidgeClassifier"),
    "boosting": (
        "sklearn.ensemble:GradientBoostingClassifier",
        "sklearn.ensemble:GradientBoostingRegressor",
        "sklearn.ensemble:HistGradientBoostingClassifier",
        "sklearn.ensemble:HistGradientBoostingRegressor",
    ),
    "ensembles": (
        "sklearn.ensemble:AdaBoostClassifier",
        "sklearn.ensemble:AdaBoostRegressor",
        "sklearn.ensemble:BaggingClassifier",
        "sklearn.ensemble:BaggingRegressor",
    ),
    "forests": (
        "sklearn.ensemble:RandomForestClassifier",
        "sklearn.ensemble:RandomForestRegressor",
        "sklearn.ensemble:ExtraTreesClassifier",
        "sklearn.ensemble:ExtraTreesRegressor",
        "sklearn.tree:DecisionTreeClassifier",
        "sklearn.tree:DecisionTreeRegressor",
        "sklearn.tree:ExtraTreeClassifier",
        "sklearn.tree:ExtraTreeRegressor",
    ),
    "lgbm": ("lightgbm:LGBMClassifier", "lightgbm:LGBMRegressor"),
    "xgb": ("xgboost:XGBClassifier", "xgboost:XGBRegressor"),
    "svm_interior": ("sklearn.svm:SVC",),
    "svm": ("sklearn.svm:SVC", "sklearn.svm:SVR", "sklearn.svm:NuSVC", "sklearn.svm:NuSVR"),
    "bayes": (
        "sklearn.naive_bayes:GaussianNB",
        "sklearn.naive_bayes:MultinomialNB",
        "sklearn.naive_bayes:BernoulliNB",
        "sklearn.naive_bayes:ComplementNB",
    ),
    "cross_decomposition": ("sklearn.cross_decomposition:PLSRegression",),
    "decomposition": ("sklearn.decomposition:PCA",),
    "discriminant": ("sklearn.discriminant_analysis:LinearDiscriminantAnalysis",),
    "neighbors": (
        "sklearn.neighbors:KNeighborsClassifier",
        "sklearn.neighbors:KNeighborsRegressor",
    ),
    "selection": (
        "sklearn.feature_selection:SelectKBest",
        "sklearn.feature_selection:SelectPercentile",
    ),
}
"""The classes that the rules of each module of this package cover; a module lists its rules as `RULES`."""


class FusionCatalog:
    """Finds rules by the import path of a class, as `SklearnCatalog.resolve` gives it."""

    def __init__(self, modules: Mapping[str, tuple[str, ...]] = MODULES) -> None:
        self._modules = modules
        self._of: dict[str, tuple[Rule, ...]] = {}

    def of(self, path: str) -> Sequence[Rule]:
        if path not in self._of:
            named = [module for module, paths in self._modules.items() if path in paths]
            self._of[path] = tuple(rule for module in named for rule in rules_in(module) if path in rule.covers)
        return self._of[path]

    def names(self) -> Mapping[str, Guarantee]:
        return {rule.name: rule.guarantee for module in self._modules for rule in rules_in(module)}


def rules_in(module: str) -> tuple[Rule, ...]:
    """Return the rules of one module of this package."""
    found: tuple[Rule, ...] = import_module(f"{__package__}.{module}").RULES
    return found
