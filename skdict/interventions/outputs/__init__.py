"""What features do to the output of a model."""

from skdict.interventions.outputs._output_measures import Replace as Replace
from skdict.interventions.outputs._output_measures import mean_row as mean_row
from skdict.interventions.outputs._output_measures import measure_edits as measure_edits
from skdict.interventions.outputs._output_measures import perplexity as perplexity
