"""The transform gives back what it was given, and windows cover a file once."""

import numpy as np
import pytest

from processing.separators.stft import BINS, FRAME, HOP, LEAD, analyse, frame_count, span, synthesise
from processing.separators.streaming import windows


def test_transform_and_back() -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, (2, span(70))).astype(np.float32)
    spectrum = analyse(samples)
    assert spectrum.shape == (2, 70, BINS)
    assert spectrum.dtype == np.complex64
    back = synthesise(spectrum)
    assert back.shape == samples.shape
    inner = slice(LEAD, -LEAD)
    np.testing.assert_allclose(back[:, inner], samples[:, inner], atol=2e-6)


def test_a_tone_lands_in_its_bin() -> None:
    tone = np.sin(2 * np.pi * 100 * np.arange(span(3)) / FRAME)
    magnitude = np.abs(analyse(np.stack([tone, tone]).astype(np.float32)))
    assert magnitude[0, 1].argmax() == 100
    assert magnitude[0, 1, 100] == pytest.approx(FRAME / 4, rel=1e-4)


@pytest.mark.parametrize("samples", [1, HOP - 1, HOP, HOP + 1, FRAME, 44_100])
def test_frames_cover_every_sample_four_times(samples: int) -> None:
    frames = frame_count(samples)
    assert (frames - 1) * HOP - LEAD < samples <= frames * HOP - LEAD
    assert frame_count(0) == 0


@pytest.mark.parametrize(("context", "offset"), [(0, 0), (15, 0), (0, 128)])
@pytest.mark.parametrize("frames", [0, 1, 511, 512, 513, 994, 995, 5000])
def test_windows_keep_every_frame_once(frames: int, context: int, offset: int) -> None:
    plan = windows(frames, window=512, context=context, offset=offset)
    kept = [frame for place in plan for frame in range(place.keep, place.stop)]
    assert kept == list(range(frames))
    for place in plan:
        assert place.last - place.first == min(512, frames)
        assert place.first == 0 or place.keep - place.first >= context
        assert place.last == frames or place.last - place.stop >= context
