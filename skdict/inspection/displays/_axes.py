"""What all displays draw with: axes, and colours that the colour-blind tell apart."""

# The palette of Okabe and Ito (2008), without its yellow, which is faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#9A9A9A"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def axes_of(ax, name):
    """Return axes to draw on, new ones for None.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    plt = pyplot(name)
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def pyplot(name):
    """Return `matplotlib.pyplot`, or say which extra has it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(
            f"{name}.plot needs matplotlib; install the extra that has it: "
            f'pip install "skdict[plot]"'
        ) from None
    return plt


def styles(n):
    """Return so many pairs of a colour and a marker, all different for up to 49."""
    k = len(COLORS)
    return [(COLORS[i % k], MARKERS[(i + i // k) % k]) for i in range(n)]


def as_label(token):
    """Return a token in quotes, with what matplotlib would take for mathematics escaped."""
    return repr(token).replace("$", r"\$")


def plain(text):
    """Return text that matplotlib shows as it is, and in a legend."""
    text = str(text).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
