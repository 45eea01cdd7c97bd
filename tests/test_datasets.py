"""Data sets: MNIST from IDX files or OpenML, and the sets that are enumerated."""

import gzip
import struct
from urllib.error import URLError

import numpy as np
import pytest
from sklearn.utils import Bunch

from sklearn_dbn import datasets
from sklearn_dbn.datasets import (
    load_mnist,
    make_bars_and_stripes,
    make_labelled_shifter,
    make_shifting_bar,
)

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


def idx(array):
    """An array of unsigned bytes as the content of an IDX file."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def tiny_arrays():
    """Train and test images of 2 x 3 pixels and their labels."""
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 256, (5, 2, 3)), rng.integers(0, 256, (4, 2, 3))
    train[0, 0] = 0, 51, 255
    labels = np.array([5, 0, 4, 1, 9]), np.array([7, 2, 1, 0])
    return [a.astype(np.uint8) for a in (train, labels[0], test, labels[1])]


@pytest.fixture
def contents():
    """The four IDX files as a dictionary from name to bytes."""
    return {name: idx(a) for name, a in zip(NAMES, tiny_arrays(), strict=True)}


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch):
    """No environment variable, and no network."""

    def refuse(*args, **kwargs):
        raise AssertionError("fetch_openml was called")

    monkeypatch.delenv("SKLEARN_DBN_DATA", raising=False)
    monkeypatch.setattr(datasets, "fetch_openml", refuse)


def write(folder, contents):
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def assert_is_tiny(loaded):
    train, y_train, test, y_test = tiny_arrays()
    for X, images in (loaded[0], train), (loaded[2], test):
        assert X.dtype == np.float32
        assert X.shape == (len(images), 6)
        np.testing.assert_allclose(X, images.reshape(-1, 6) / 255, rtol=1e-7)
    for y, labels in (loaded[1], y_train), (loaded[3], y_test):
        assert y.dtype == np.int64
        np.testing.assert_array_equal(y, labels)


def compressed(contents):
    return {f"{name}.gz": gzip.compress(raw) for name, raw in contents.items()}


def dotted(contents):
    return {name.replace("-idx", ".idx"): raw for name, raw in contents.items()}


@pytest.mark.parametrize(
    "rename",
    [
        dict,
        compressed,
        dotted,
        lambda contents: compressed(dotted(contents)),
        # Decompressed by the browser, but still called .gz; and the reverse.
        lambda contents: {f"{name}.gz": raw for name, raw in contents.items()},
        lambda contents: {name: gzip.compress(raw) for name, raw in contents.items()},
    ],
    ids=["plain", "gz", "dotted", "dotted-gz", "plain-called-gz", "gz-called-plain"],
)
def test_idx_files_under_all_names(tmp_path, contents, rename):
    assert_is_tiny(load_mnist(write(tmp_path, rename(contents))))


def test_exact_pixels(tmp_path, contents):
    X_train = load_mnist(str(write(tmp_path, contents)))[0]
    np.testing.assert_array_equal(X_train[0, :3], np.float32([0, 0.2, 1]))
    assert X_train.min() >= 0
    assert X_train.max() <= 1


def test_loaded_arrays_can_be_written_to(tmp_path, contents):
    for array in load_mnist(write(tmp_path, contents)):
        array[0] = 1


def test_plain_file_goes_before_gz(tmp_path, contents):
    write(tmp_path, contents)
    (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(b"not read")
    assert_is_tiny(load_mnist(tmp_path))


def test_folder_with_the_name_of_a_file_is_passed_over(tmp_path, contents):
    write(tmp_path, dotted(contents))
    (tmp_path / TRAIN_IMAGES).mkdir()
    assert_is_tiny(load_mnist(tmp_path))


def test_no_rows(tmp_path, contents):
    contents[TEST_IMAGES] = idx(np.zeros((0, 2, 3), np.uint8))
    contents[TEST_LABELS] = idx(np.zeros(0, np.uint8))
    _, _, X_test, y_test = load_mnist(write(tmp_path, contents))
    assert X_test.shape == (0, 6)
    assert y_test.shape == (0,)


def test_environment_variable(tmp_path, contents, monkeypatch):
    monkeypatch.setenv("SKLEARN_DBN_DATA", str(write(tmp_path, contents)))
    assert_is_tiny(load_mnist())


def test_data_home_goes_before_environment_variable(tmp_path, contents, monkeypatch):
    monkeypatch.setenv("SKLEARN_DBN_DATA", str(tmp_path / "elsewhere"))
    assert_is_tiny(load_mnist(write(tmp_path, contents)))


def test_home_folder_is_expanded(tmp_path, contents, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    write(tmp_path / "mnist", contents)
    assert_is_tiny(load_mnist("~/mnist"))


def test_home_of_nobody():
    with pytest.raises(FileNotFoundError, match="data_home names '~nobody-here/mnist'"):
        load_mnist("~nobody-here/mnist")


@pytest.mark.parametrize("name", NAMES)
def test_missing_file(tmp_path, contents, name):
    write(tmp_path, contents)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError) as raised:
        load_mnist(tmp_path)
    message = str(raised.value)
    assert message.startswith(name)
    assert repr(str(tmp_path)) in message
    assert "named by data_home" in message
    assert "put the four IDX files" in message


def test_missing_folder_named_by_environment_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_DBN_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="named by the variable SKLEARN_DBN"):
        load_mnist()


@pytest.mark.parametrize("data_home", [3, b"folder", ["folder"]])
def test_data_home_that_is_no_path(data_home):
    with pytest.raises(
        TypeError, match=r"data_home must be .* got .*; pass the folder"
    ):
        load_mnist(data_home)


def spoilt(tmp_path, contents, name, raw):
    """The message about a folder in which one file has the content ``raw``."""
    write(tmp_path, {**contents, name: raw})
    with pytest.raises(ValueError) as raised:
        load_mnist(tmp_path)
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / name}: expected ")
    assert message.endswith("; download the file again.")
    return message


@pytest.mark.parametrize("name", NAMES)
def test_truncated_gzip_of_any_length(tmp_path, contents, name):
    whole = gzip.compress(contents[name])
    for length in range(2, len(whole)):
        message = spoilt(tmp_path, contents, name, whole[:length])
        assert "expected a whole gzip, found a broken one" in message


def test_damaged_gzip(tmp_path, contents):
    whole = gzip.compress(contents[TRAIN_IMAGES])
    for place in (len(whole) - 6, 12):  # the check sum, the compressed bytes
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        message = spoilt(tmp_path, contents, TRAIN_IMAGES, bytes(damaged))
        assert "a broken one" in message


@pytest.mark.parametrize(
    ("name", "expected", "found"),
    [(TRAIN_IMAGES, "30 bytes", "29"), (TEST_LABELS, "4 bytes", "3")],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_truncated_payload(tmp_path, contents, name, expected, found, pack):
    message = spoilt(tmp_path, contents, name, pack(contents[name][:-1]))
    assert f"expected {expected} after the header" in message
    assert f"found {found};" in message


def test_extra_bytes(tmp_path, contents):
    raw = contents[TEST_IMAGES] + b"\0"
    message = spoilt(tmp_path, contents, TEST_IMAGES, raw)
    assert "expected 24 bytes after the header, for shape (4, 2, 3)" in message
    assert "found 25;" in message


def test_shape_of_huge_dimensions(tmp_path, contents):
    # The product is 0 in 64 bits.
    raw = struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 4)
    message = spoilt(tmp_path, contents, TRAIN_IMAGES, raw)
    assert f"expected {2**64} bytes" in message


@pytest.mark.parametrize("length", [4, 15])
def test_truncated_header(tmp_path, contents, length):
    raw = contents[TRAIN_IMAGES][:length]
    message = spoilt(tmp_path, contents, TRAIN_IMAGES, raw)
    assert f"expected a header of 16 bytes, found {length} bytes" in message


@pytest.mark.parametrize(
    ("start", "found"),
    [
        (b"<htm", "3c 68 74 6d"),
        (b"\0\0\x0d\x03", "00 00 0d 03"),  # float32
        (b"\0\0\x08\x01", "00 00 08 01"),  # labels
        (b"\x03\x08\0\0", "03 08 00 00"),  # the other byte order
    ],
)
def test_foreign_magic_number(tmp_path, contents, start, found):
    raw = start + contents[TRAIN_IMAGES][4:]
    message = spoilt(tmp_path, contents, TRAIN_IMAGES, raw)
    assert "expected magic number 00 00 08 03 (IDX, unsigned bytes" in message
    assert f"found {found};" in message


@pytest.mark.parametrize(
    ("raw", "found"), [(b"", "an empty file"), (b"\0\0\x08", "00 00 08")]
)
def test_file_without_magic_number(tmp_path, contents, raw, found):
    assert f"found {found};" in spoilt(tmp_path, contents, TRAIN_LABELS, raw)


def test_images_and_labels_that_disagree(tmp_path, contents):
    raw = idx(np.zeros(3, np.uint8))
    message = spoilt(tmp_path, contents, TEST_LABELS, raw)
    assert (
        f"expected 4 labels, one for each image of {TEST_IMAGES}, found 3;" in message
    )


def test_train_and_test_images_that_disagree(tmp_path, contents):
    contents[TEST_IMAGES] = idx(np.zeros((4, 3, 3), np.uint8))
    write(tmp_path, contents)
    with pytest.raises(ValueError, match=r"found 6 and 9 pixels; download"):
        load_mnist(tmp_path)


@pytest.mark.parametrize("variable", [None, ""])
def test_openml(monkeypatch, variable):
    calls = []
    pixels = np.arange(60_003 * 2).reshape(-1, 2) % 256.0
    digits = (np.arange(60_003) % 10).astype(str).astype(object)

    def fetch(*args, **kwargs):
        calls.append((args, kwargs))
        return Bunch(data=pixels, target=digits)

    monkeypatch.setattr(datasets, "fetch_openml", fetch)
    if variable is not None:
        monkeypatch.setenv("SKLEARN_DBN_DATA", variable)
    X_train, y_train, X_test, y_test = load_mnist()
    [(args, kwargs)] = calls
    assert args == ("mnist_784",)
    assert kwargs == {"version": 1, "as_frame": False, "parser": "liac-arff"}
    assert X_train.shape == (60_000, 2)
    assert X_test.shape == (3, 2)
    assert X_train.dtype == X_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    np.testing.assert_allclose(np.vstack([X_train, X_test]), pixels / 255, rtol=1e-7)
    np.testing.assert_array_equal(
        np.concatenate([y_train, y_test]), np.arange(60_003) % 10
    )
    assert pixels.max() == 255  # the cached array is left as it was


def test_openml_out_of_reach(monkeypatch):
    def fetch(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(datasets, "fetch_openml", fetch)
    with pytest.raises(URLError) as raised:
        load_mnist()
    [note] = raised.value.__notes__
    assert "pass it as data_home or set SKLEARN_DBN_DATA" in note


def best_log_likelihood(X):
    """Log-likelihood of the rows under their own empirical distribution, summed."""
    _, counts = np.unique(X, axis=0, return_counts=True)
    return np.sum(counts * np.log(counts / len(X)))


@pytest.mark.parametrize(
    ("X", "best"),
    [
        (make_bars_and_stripes(3), -41.589),
        (make_bars_and_stripes(4), -108.131),
        (make_shifting_bar(), -19.775),
        (make_shifting_bar(9, 4), -19.775),
        (make_labelled_shifter(), -5102.431),
    ],
    ids=["bars-3", "bars-4", "shifting-bar", "shifting-bar-4", "shifter"],
)
def test_best_log_likelihood(X, best):
    assert best_log_likelihood(X) == pytest.approx(best, abs=5e-4)
    assert X.dtype == np.float64
    assert set(np.unique(X)) == {0, 1}


def test_bars_and_stripes_2():
    rows = [[0, 0, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]]
    columns = [[0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1]]
    np.testing.assert_array_equal(make_bars_and_stripes(2), rows + columns)


@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_bars_and_stripes_are_all_images_of_equal_lines(size):
    X = make_bars_and_stripes(size)
    n_lines = 2**size
    assert X.shape == (2 * n_lines, size * size)
    rows, columns = X.reshape(2, n_lines, size, size)
    assert (rows == rows[:, :, :1]).all()
    assert (columns == columns[:, :1, :]).all()
    assert len(np.unique(rows[:, :, 0], axis=0)) == n_lines
    assert len(np.unique(columns[:, 0], axis=0)) == n_lines
    totals = X.sum(axis=1)
    assert np.sum(totals == 0) == np.sum(totals == size * size) == 2


def test_shifting_bar():
    np.testing.assert_array_equal(make_shifting_bar(), np.eye(9))
    bar = [1, 1, 1, 0, 0]
    expected = [np.roll(bar, shift) for shift in range(5)]
    np.testing.assert_array_equal(make_shifting_bar(5, 3), expected)
    np.testing.assert_array_equal(make_shifting_bar(3, 3), np.ones((3, 3)))


def test_labelled_shifter():
    X = make_labelled_shifter()
    assert X.shape == (768, 19)
    assert len(np.unique(X, axis=0)) == 768
    assert best_log_likelihood(X) / 768 == pytest.approx(-6.643790, abs=5e-7)
    for row in X:
        pattern, shifted, label = np.split(row, [8, 16])
        assert label.sum() == 1
        shift = int(label.argmax()) - 1
        np.testing.assert_array_equal(
            shifted, [pattern[(i - shift) % 8] for i in range(8)]
        )


@pytest.mark.parametrize("n_pixels", [1, 2, 5])
def test_labelled_shifter_of_other_sizes(n_pixels):
    X = make_labelled_shifter(n_pixels)
    assert X.shape == (3 * 2**n_pixels, 2 * n_pixels + 3)
    assert len(np.unique(X, axis=0)) == len(X)


def test_narrow_integers_do_not_overflow():
    assert len(make_bars_and_stripes(np.int8(7))) == 256
    assert len(make_labelled_shifter(np.int8(8))) == 768
    assert len(make_shifting_bar(np.uint8(200), np.int8(100))) == 200


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True, np.True_, [3]])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make_bars_and_stripes, "size"),
        (make_shifting_bar, "n_pixels"),
        (make_shifting_bar, "bar_length"),
        (make_labelled_shifter, "n_pixels"),
    ],
)
def test_bad_counts(make, name, value):
    with pytest.raises(ValueError) as raised:
        make(**{name: value})
    message = str(raised.value)
    assert message.startswith(
        f"{name} must be an integer of at least 1, got {value!r};"
    )
    assert f"pass for instance {name}=" in message


def test_bar_longer_than_the_ring():
    with pytest.raises(
        ValueError, match=r"bar_length must be .*=9, got 10; pass a sho"
    ):
        make_shifting_bar(bar_length=10)


@pytest.mark.parametrize(
    ("make", "name", "largest", "memory"),
    [
        (make_bars_and_stripes, "size", 16, "256 MiB"),
        (make_labelled_shifter, "n_pixels", 18, "234 MiB"),
    ],
)
@pytest.mark.parametrize("excess", [1, 10**12])
def test_sizes_beyond_memory(make, name, largest, memory, excess):
    with pytest.raises(ValueError) as raised:
        make(**{name: largest + excess})
    message = str(raised.value)
    assert message.startswith(
        f"{name} must be at most {largest}, got {largest + excess}"
    )
    assert memory in message
    assert message.endswith(f"pass a smaller {name}.")


@pytest.mark.parametrize(
    ("make", "limit", "largest"),
    [
        (make_bars_and_stripes, "_LARGEST_BARS", 12),
        (make_labelled_shifter, "_LARGEST_SHIFTER", 13),
    ],
)
def test_memory_named_is_that_of_the_largest_array(monkeypatch, make, limit, largest):
    monkeypatch.setattr(datasets, limit, largest)
    memory = f"{make(largest).nbytes / 2**20:.0f} MiB"
    with pytest.raises(ValueError, match=f"already take {memory}"):
        make(largest + 1)
