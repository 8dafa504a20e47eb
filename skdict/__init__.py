"""skdict finds interpretable features in language-model activations, the scikit-learn way."""

from importlib import import_module

from skdict._version import __version__

# Imported on first use, so that Ctrl-C works while the command line loads.
_HOMES = {
    "ActivationExtractor": "feature_extraction",
    "Activations": "activations",
    "FeatureInterpreter": "interpretation",
    "FeatureStatistics": "inspection",
    "IdentityDictionary": "decomposition",
    "InterpretabilityScorer": "interpretation",
    "RandomDictionary": "decomposition",
    "SparseDictionaryAutoencoder": "decomposition",
    "SparseDictionaryAutoencoderCV": "decomposition",
    "SparseTranscoder": "decomposition",
    "compare_dictionaries": "metrics",
    "intervene": "interventions",
    "load_stories": "datasets",
    "patching_curve": "interventions",
    "sparse_dictionary_path": "decomposition",
    "write_report": "inspection",
}
_PACKAGES = {*_HOMES.values(), "evaluation", "exceptions", "io", "models"}
__all__ = list(_HOMES)


def __getattr__(name):
    if name in _PACKAGES:
        return import_module(f"skdict.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'skdict' has no attribute {name!r}")
    value = getattr(import_module(f"skdict.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOMES, *_PACKAGES})
