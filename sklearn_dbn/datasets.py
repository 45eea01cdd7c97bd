"""Data sets on which Boltzmann machines are compared.

:func:`load_mnist` reads the handwritten digits. The other three functions make
small binary sets whose distribution is known, so that a trained machine can be
judged by its log-likelihood, exactly:

===============================  ======================  ====  ========  ===========
Data set                         Made by                 Rows  Visibles  Best log L
===============================  ======================  ====  ========  ===========
Bars and stripes, 3 x 3          make_bars_and_stripes     16         9   -41.589
Bars and stripes, 4 x 4          make_bars_and_stripes     32        16  -108.131
Shifting bar, 9 pixels           make_shifting_bar          9         9   -19.775
Labelled shifter, 8 pixels       make_labelled_shifter    768        19  -5102.431
===============================  ======================  ====  ========  ===========

The last column is the best log-likelihood that any model can reach, in nats and
summed over the rows. It is that of the empirical distribution itself: a pattern
that occurs ``c`` times among ``n`` rows has probability ``c / n``. Papers quote
the sum; divide it by the number of rows to compare it with a mean.

>>> import numpy as np
>>> from sklearn_dbn.datasets import make_bars_and_stripes
>>> X = make_bars_and_stripes(3)
>>> _, counts = np.unique(X, axis=0, return_counts=True)
>>> print(f"{np.sum(counts * np.log(counts / len(X))):.3f}")
-41.589

The flipped shifting bar, used to test centering, is ``1 - make_shifting_bar()``.

MNIST comes from OpenML the first time, and from scikit-learn's cache after that.
Without a network, put its four IDX files, compressed or not, in a folder and name
it by ``data_home`` or by the environment variable ``SKLEARN_DBN_DATA``. Other sets
of images that are published under the same file names, such as Fashion-MNIST, are
read in the same way.
"""

import gzip
import math
import os
import struct
import zlib
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_openml

__all__ = [
    "load_mnist",
    "make_bars_and_stripes",
    "make_labelled_shifter",
    "make_shifting_bar",
]

_VARIABLE = "SKLEARN_DBN_DATA"
_N_TRAIN = 60_000
_LARGEST_BARS = 16
_LARGEST_SHIFTER = 18


def load_mnist(data_home=None):
    """Load the MNIST handwritten digits.

    Parameters
    ----------
    data_home : str, path-like or None, default=None
        Folder with the four files ``train-images-idx3-ubyte``,
        ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte``, each plain or with ``.gz`` at its end; the
        spelling ``train-images.idx3-ubyte`` is read too. If None, the folder named
        by the environment variable ``SKLEARN_DBN_DATA``; if that is unset or empty,
        scikit-learn fetches ``mnist_784`` from OpenML and keeps it in its cache.

    Returns
    -------
    X_train : ndarray of shape (60000, 784), dtype float32
        Training images, one row each, in [0, 1]; 0 is background.
    y_train : ndarray of shape (60000,), dtype int64
        Digits of the training images.
    X_test : ndarray of shape (10000, 784), dtype float32
        Test images.
    y_test : ndarray of shape (10000,), dtype int64
        Digits of the test images.

    Raises
    ------
    TypeError
        If ``data_home`` is not a path.
    FileNotFoundError
        If a folder is named and one of the four files is not in it.
    ValueError
        If a file is truncated, has extra bytes, is not an IDX file of unsigned
        bytes, or disagrees with another file on the number of rows or pixels.
    OSError
        If OpenML cannot be reached.

    Notes
    -----
    The shapes are those of MNIST; from files, whatever shape they declare is read.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998). Gradient-based learning
    applied to document recognition. Proceedings of the IEEE 86(11), 2278-2324.

    Examples
    --------
    >>> from sklearn_dbn.datasets import load_mnist
    >>> X_train, y_train, X_test, y_test = load_mnist()  # doctest: +SKIP
    >>> X_train.shape, X_test.shape  # doctest: +SKIP
    ((60000, 784), (10000, 784))
    """
    folder, origin = _folder(data_home)
    if folder is None:
        return _fetch_mnist()
    X_train, y_train = _read_split(folder, origin, "train")
    X_test, y_test = _read_split(folder, origin, "t10k")
    if X_train.shape[1] != X_test.shape[1]:
        raise ValueError(
            f"{folder}: expected training and test images of one size, found "
            f"{X_train.shape[1]} and {X_test.shape[1]} pixels; download the four "
            "files again, from one source."
        )
    return X_train, y_train, X_test, y_test


def make_bars_and_stripes(size):
    """Make all patterns of the bars-and-stripes problem.

    In an image of ``size`` by ``size`` pixels, either each row or each column is
    wholly on or wholly off. The images with all pixels off and with all pixels on
    are both, occur twice, and so are twice as probable as any other.

    Parameters
    ----------
    size : int
        Rows and columns of an image, from 1 to 16.

    Returns
    -------
    X : ndarray of shape (2 * 2**size, size * size), dtype float64
        Images of 0 and 1, pixels row by row: first the ``2**size`` patterns of
        rows, then those of columns, both in binary counting order.

    Raises
    ------
    ValueError
        If ``size`` is not an integer from 1 to 16.

    References
    ----------
    D. J. C. MacKay (2003). Information Theory, Inference, and Learning Algorithms,
    chapter 43. Cambridge University Press.

    A. Fischer and C. Igel (2014). Training restricted Boltzmann machines: An
    introduction. Pattern Recognition 47(1), 25-39.

    Examples
    --------
    >>> from sklearn_dbn.datasets import make_bars_and_stripes
    >>> X = make_bars_and_stripes(3)
    >>> X.shape
    (16, 9)
    >>> X[1].reshape(3, 3)
    array([[0., 0., 0.],
           [0., 0., 0.],
           [1., 1., 1.]])
    >>> X[9].reshape(3, 3)
    array([[0., 0., 1.],
           [0., 0., 1.],
           [0., 0., 1.]])
    """
    size = _check_count("size", size, example=4)
    largest = _LARGEST_BARS
    _check_memory("size", size, largest, 2 * 2**largest * largest**2)
    lines = _all_patterns(size)
    return np.vstack([np.repeat(lines, size, axis=1), np.tile(lines, (1, size))])


def make_shifting_bar(n_pixels=9, bar_length=1):
    """Make all shifts of a bar of pixels around a ring.

    Parameters
    ----------
    n_pixels : int, default=9
        Pixels of the ring, at least 1.
    bar_length : int, default=1
        Consecutive pixels that are on, from 1 to ``n_pixels``.

    Returns
    -------
    X : ndarray of shape (n_pixels, n_pixels), dtype float64
        Patterns of 0 and 1; in row ``i`` the bar starts at pixel ``i``.

    Raises
    ------
    ValueError
        If ``n_pixels`` is not an integer of at least 1, or ``bar_length`` not an
        integer from 1 to ``n_pixels``.

    References
    ----------
    J. Melchior, A. Fischer and L. Wiskott (2016). How to center deep Boltzmann
    machines. Journal of Machine Learning Research 17(99), 1-61.

    Examples
    --------
    >>> from sklearn_dbn.datasets import make_shifting_bar
    >>> make_shifting_bar(n_pixels=4, bar_length=2)
    array([[1., 1., 0., 0.],
           [0., 1., 1., 0.],
           [0., 0., 1., 1.],
           [1., 0., 0., 1.]])
    """
    n_pixels = _check_count("n_pixels", n_pixels, example=9)
    bar_length = _check_count("bar_length", bar_length, example=1)
    if bar_length > n_pixels:
        raise ValueError(
            f"bar_length must be at most n_pixels={n_pixels}, got {bar_length}; "
            "pass a shorter bar or more pixels."
        )
    pixels = np.arange(n_pixels)
    distance_from_start = (pixels - pixels[:, None]) % n_pixels
    return (distance_from_start < bar_length).astype(np.float64)


def make_labelled_shifter(n_pixels=8):
    """Make all patterns of the labelled shifter ensemble.

    A row is a binary pattern on a ring of pixels, the same pattern shifted by one
    pixel to the left, not at all, or by one to the right, and three label units of
    which one is on and names the shift.

    Parameters
    ----------
    n_pixels : int, default=8
        Pixels of the pattern, from 1 to 18.

    Returns
    -------
    X : ndarray of shape (3 * 2**n_pixels, 2 * n_pixels + 3), dtype float64
        Rows of 0 and 1: the pattern, the shifted pattern, the label. All patterns
        shifted left come first, then those not shifted, then those shifted right,
        each in binary counting order.

    Raises
    ------
    ValueError
        If ``n_pixels`` is not an integer from 1 to 18.

    References
    ----------
    G. E. Hinton and T. J. Sejnowski (1986). Learning and relearning in Boltzmann
    machines. In D. E. Rumelhart and J. L. McClelland (eds.), Parallel Distributed
    Processing, volume 1, chapter 7. MIT Press.

    D. J. C. MacKay (2003). Information Theory, Inference, and Learning Algorithms,
    chapter 43. Cambridge University Press.

    Examples
    --------
    >>> from sklearn_dbn.datasets import make_labelled_shifter
    >>> X = make_labelled_shifter()
    >>> X.shape
    (768, 19)
    >>> row = X[3]
    >>> row[:8], row[8:16], row[16:]
    (array([0., 0., 0., 0., 0., 0., 1., 1.]),
     array([0., 0., 0., 0., 0., 1., 1., 0.]),
     array([1., 0., 0.]))
    """
    n_pixels = _check_count("n_pixels", n_pixels, example=8)
    largest = _LARGEST_SHIFTER
    _check_memory("n_pixels", n_pixels, largest, 3 * 2**largest * (2 * largest + 3))
    patterns = _all_patterns(n_pixels)
    shifted = [np.roll(patterns, shift, axis=1) for shift in (-1, 0, 1)]
    labels = np.repeat(np.eye(3), len(patterns), axis=0)
    return np.hstack([np.tile(patterns, (3, 1)), np.vstack(shifted), labels])


def _all_patterns(n_bits):
    """All binary rows of ``n_bits``, in counting order, the last bit fastest."""
    numbers = np.arange(2**n_bits)[:, None]
    return (numbers >> np.arange(n_bits)[::-1] & 1).astype(np.float64)


def _check_count(name, value, example):
    """Return ``value`` as an int if it is an integer of at least 1."""
    # A bool is an Integral, but a True given for a size is a slip.
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ValueError(
            f"{name} must be an integer of at least 1, got {value!r}; "
            f"pass for instance {name}={example}."
        )
    # A narrow numpy integer would overflow in 2**value.
    return int(value)


def _check_memory(name, value, largest, n_numbers):
    """Refuse a ``value`` above ``largest``, whose array has ``n_numbers`` numbers."""
    if value > largest:
        raise ValueError(
            f"{name} must be at most {largest}, got {value}: the patterns of "
            f"{name}={largest} already take {8 * n_numbers / 2**20:.0f} MiB of memory, "
            f"and each step more than doubles it; pass a smaller {name}."
        )


def _folder(data_home):
    """Return the folder of the IDX files and who named it, or None and None."""
    origin = "data_home"
    if data_home is None:
        data_home, origin = os.environ.get(_VARIABLE), f"the variable {_VARIABLE}"
        if not data_home:
            return None, None
    if not isinstance(data_home, str | os.PathLike):
        raise TypeError(
            f"data_home must be a str, a path or None, got {data_home!r}; "
            "pass the folder with the MNIST files."
        )
    try:
        return Path(data_home).expanduser(), origin
    except RuntimeError as error:
        raise FileNotFoundError(
            f"{origin} names {str(data_home)!r}, whose home directory is not known; "
            "pass the folder with the MNIST files."
        ) from error


def _fetch_mnist():
    """Fetch MNIST from OpenML, where the training images come first."""
    try:
        # The other parser of scikit-learn needs pandas.
        mnist = fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff")
    except OSError as error:
        error.add_note(
            "MNIST could not be fetched from OpenML. Without a network, put its four "
            f"IDX files in a folder and pass it as data_home or set {_VARIABLE}."
        )
        raise
    X, y = _scale(mnist.data), mnist.target.astype(np.int64)
    return X[:_N_TRAIN], y[:_N_TRAIN], X[_N_TRAIN:], y[_N_TRAIN:]


def _scale(pixels):
    """Grey levels from 0 to 255 as float32 in [0, 1]."""
    X = pixels.astype(np.float32)
    X /= 255
    return X


def _read_split(folder, origin, split):
    """Read the images, one row each, and the labels of ``train`` or ``t10k``."""
    images_path = _find_file(folder, origin, f"{split}-images", 3)
    labels_path = _find_file(folder, origin, f"{split}-labels", 1)
    images = _parse_idx(_read_bytes(images_path), 3, images_path)
    labels = _parse_idx(_read_bytes(labels_path), 1, labels_path)
    n_images, height, width = images.shape
    if len(labels) != n_images:
        expected = f"{n_images} labels, one for each image of {images_path.name}"
        raise _bad_file(labels_path, expected, f"{len(labels)}")
    return _scale(images.reshape(n_images, height * width)), labels.astype(np.int64)


def _find_file(folder, origin, stem, n_dims):
    """Return the path of an IDX file under any of its names, plain ones first."""
    names = [f"{stem}{mark}idx{n_dims}-ubyte" for mark in "-."]
    for name in names + [f"{name}.gz" for name in names]:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"{names[0]} (or {names[0]}.gz) is not in the folder {str(folder)!r}, named by "
        f"{origin}; put the four IDX files of MNIST there or name the folder that has "
        f"them. With data_home=None and {_VARIABLE} unset, MNIST comes from OpenML."
    )


def _read_bytes(path):
    """Read a file, decompressed if it is a gzip, whatever its name says."""
    raw = path.read_bytes()
    # A browser may decompress a download and leave .gz in its name.
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _bad_file(path, "a whole gzip", f"a broken one ({error})") from error


def _parse_idx(raw, n_dims, path):
    """Return the array of unsigned bytes in an IDX file; ``path`` is for messages."""
    magic, start = bytes([0, 0, 8, n_dims]), 4 + 4 * n_dims
    if raw[:4] != magic:
        meaning = f"IDX, unsigned bytes, dimensions: {n_dims}"
        expected = f"magic number {magic.hex(' ')} ({meaning})"
        raise _bad_file(path, expected, raw[:4].hex(" ") or "an empty file")
    if len(raw) < start:
        raise _bad_file(path, f"a header of {start} bytes", f"{len(raw)} bytes")
    shape = struct.unpack(f">{n_dims}I", raw[4:start])
    if len(raw) - start != math.prod(shape):
        expected = f"{math.prod(shape)} bytes after the header, for shape {shape}"
        raise _bad_file(path, expected, f"{len(raw) - start}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _bad_file(path, expected, found):
    """Return the error of a file that is not what it should be."""
    return ValueError(
        f"{path}: expected {expected}, found {found}; download the file again."
    )
