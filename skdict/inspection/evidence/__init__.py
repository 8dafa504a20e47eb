"""Windows of text with the codes of features, and which of them are drawn."""

from skdict.inspection.evidence._drawn_codes import FeatureDraw as FeatureDraw
from skdict.inspection.evidence._drawn_codes import join_blocks as join_blocks
from skdict.inspection.evidence._fragments import windows_of as windows_of
from skdict.inspection.evidence._keys import mix as mix
from skdict.inspection.evidence._keys import uniform as uniform
from skdict.inspection.evidence._pooled_windows import sampled_windows as sampled_windows
from skdict.inspection.evidence._quantile_windows import N_QUANTILES as N_QUANTILES
from skdict.inspection.evidence._records import RecordCollector as RecordCollector
from skdict.inspection.evidence._study_parts import DocumentParts as DocumentParts
from skdict.inspection.evidence._study_parts import Fragments as Fragments
from skdict.inspection.evidence._study_parts import Quantiles as Quantiles
from skdict.inspection.evidence._token_blocks import TokenBlock as TokenBlock
from skdict.inspection.evidence._token_blocks import document_bounds as document_bounds
