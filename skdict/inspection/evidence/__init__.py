"""Windows of text with the codes of features: cutting, sampling and splitting them.

Floor 5, as all of `inspection`. `_cut_windows` cuts documents into windows. `_drawn_windows`
draws the strongest, random and silent windows of each feature, `_quantile_windows` draws equally
many from each quantile of the codes, and `_fragments` cuts one fragment from each document.
`_scoring_windows` selects the windows to score on. `_feature_draw` draws features, and `_streams`
names the streams of random numbers.
"""

from skdict.inspection.evidence._collect_records import collect_records
from skdict.inspection.evidence._documents import (
    document_bounds,
    document_order,
    in_document_order,
    iter_coded_documents,
    iter_documents,
)
from skdict.inspection.evidence._drawn_windows import FeatureRecords, Record, RecordCollector
from skdict.inspection.evidence._feature_draw import FeatureDraw, join_blocks
from skdict.inspection.evidence._quantile_windows import N_QUANTILES
from skdict.inspection.evidence._scoring_windows import sampled_windows, windows_of
from skdict.inspection.evidence._silent_windows import hardest, windows_and_prevalence
from skdict.inspection.evidence._split_documents import split_documents
from skdict.inspection.evidence._streams import Stream, mix, uniform
from skdict.inspection.evidence._study_parts import (
    DocumentParts,
    fragments_to_test,
    split_fragments,
    split_quantiles,
)
from skdict.inspection.evidence._token_blocks import TokenBlock
