"""What each part and each measure of an evaluation says."""

import re

PARTS = {
    "reconstruction": "reconstruction of activations",
    "loss": "next-token prediction from reconstructed activations",
    "probing": "labels of tokens, read from few features",
    "absorption": "features of first letters",
    "perturbation": "selectivity of ablated features",
    "stability": "agreement of fits with different seeds",
}
ABOUT = {
    "n_components": "number of features",
    "fvu": "fraction of variance unexplained; lower is better",
    "fvu_inliers": "FVU without outlier tokens",
    "l0": "mean number of active codes per token",
    "n_dead": "number of features that never fire",
    "density": "median share of tokens on which a feature fires",
    "cross_entropy": "cross-entropy of the unedited model, in nats per token",
    "cross_entropy_increase": "increase by the reconstruction, in nats; lower is better",
    "loss_recovered_zero": "share of the damage of zero ablation that is avoided; 1 is best",
    "loss_recovered_mean": "share of the damage of mean ablation that is avoided; 1 is best",
    "kl_divergence": "KL divergence from the unedited predictions, in nats; lower is better",
    "probing_dense": "balanced accuracy of probes on the activations; chance 0.5",
    "absorption": "mean absorption fraction; lower is better, together with main_f1",
    "full_absorption": "share of words with full absorption; lower is better",
    "split_features": "number of features per letter; 1 is best",
    "main_f1": "F1 of these features as detectors of the letter; 1 is best",
    "share_represented": "share of letters that have a feature; 1 is best",
    "stability": "mean largest cosine with the directions of another fit; 1 is best",
    "stability_random": "the same for random directions, the chance level",
}
FAMILIES = {
    r"probing_(\d+)": "balanced accuracy of probes on {} feature(s); chance 0.5",
    r"tpp_(\d+)": "targeted probe perturbation of {} feature(s); 0 is chance, 0.5 is best",
}


def about(measure):
    """Return what a measure says in one line, or "" for one of a scorer of the user."""
    for pattern, text in FAMILIES.items():
        if match := re.fullmatch(pattern, measure):
            return text.format(match[1]).replace("1 feature(s)", "1 feature").replace("(s)", "s")
    return ABOUT.get(measure, "")
