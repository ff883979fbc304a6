import io

import numpy as np
import pytest
from PIL import Image

from processing.audio.waveform import HEIGHT, WIDTH, render_waveform


def alpha(png):
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    pixels = np.asarray(image.convert("RGBA"))
    assert pixels.shape == (256, 1920, 4)
    assert (pixels[..., :3] == 255).all()  # white everywhere, so edges never look grey when the picture is scaled
    assert set(np.unique(pixels[..., 3])) <= {0, 255}
    return pixels[..., 3] > 0


def test_heights_follow_the_columns_and_mirror():
    columns = np.linspace(0, 0.5, WIDTH)
    shape = alpha(render_waveform(columns, scale=0.5))
    assert np.array_equal(shape, shape[::-1])
    expected = np.maximum(1, np.rint(columns / 0.5 * 128)) * 2
    assert np.array_equal(shape.sum(axis=0), expected)
    assert shape[:, -1].all()


def test_scale_of_another_stem_makes_this_one_smaller():
    columns = np.full(WIDTH, 0.1)
    assert (alpha(render_waveform(columns, scale=0.4)).sum(axis=0) == HEIGHT // 4).all()


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_silence_is_a_thin_centre_line(scale):
    shape = alpha(render_waveform(np.zeros(WIDTH), scale=scale))
    assert (np.flatnonzero(shape.any(axis=1)) == [127, 128]).all()
    assert shape[127:129].all()


def test_nothing_reaches_beyond_the_picture():
    assert alpha(render_waveform(np.full(WIDTH, 2.0), scale=1.0)).all()


def test_small_and_the_same_every_time():
    columns = np.abs(np.random.default_rng(0).standard_normal(WIDTH))
    first = render_waveform(columns, scale=float(columns.max()))
    assert first == render_waveform(columns, scale=float(columns.max()))
    assert len(first) < 12_000


@pytest.mark.parametrize("bad", [np.zeros(100), np.zeros((2, WIDTH)), np.full(WIDTH, np.nan)])
def test_wrong_columns_are_refused(bad):
    with pytest.raises(ValueError, match=r"columns|finite"):
        render_waveform(bad, scale=1.0)
