"""Windows of text with the codes of features, and which of them are drawn."""

from skdict.inspection.evidence._fragments import cunningham_evidence as cunningham_evidence
from skdict.inspection.evidence._fragments import windows_of as windows_of
from skdict.inspection.evidence._keys import mix as mix
from skdict.inspection.evidence._keys import uniform as uniform
from skdict.inspection.evidence._pooled_windows import sampled_windows as sampled_windows
from skdict.inspection.evidence._quantile_windows import N_QUANTILES as N_QUANTILES
from skdict.inspection.evidence._quantile_windows import quantile_windows as quantile_windows
from skdict.inspection.evidence._token_blocks import document_bounds as document_bounds
