"""How loud each stem of a recording is to be played."""

from collections.abc import Mapping

TARGET_LUFS = -23.0
MAX_GAIN_DB = 6.02
MIN_GAIN_DB = -12.0


def relative_gains(lufs: Mapping[str, float | None]) -> dict[str, float]:
    """Gain in dB for each stem of one recording, from its integrated loudness (None: silence).

    Wanted is −23 LUFS: gain = target − measured. Then all gains move together, so that the stems keep the balance
    this gives them: down until none exceeds +6.02 dB (twice the amplitude), or up until none is below −12 dB.
    When the stems lie further apart than the 18.02 dB between the two limits no shift satisfies both. The upper
    one then decides, since too much gain clips, and what still falls below −12 dB is raised to −12 dB: only these
    stems, the loudest ones, lose their relation to the rest. Silence gets 0 dB and moves nothing. Every result lies
    in [−12, +6.02].
    """
    wanted = {stem: TARGET_LUFS - measured for stem, measured in lufs.items() if measured is not None}
    if not wanted:
        return dict.fromkeys(lufs, 0.0)
    shift = 0.0
    if max(wanted.values()) > MAX_GAIN_DB:
        shift = MAX_GAIN_DB - max(wanted.values())
    elif min(wanted.values()) < MIN_GAIN_DB:
        shift = min(MIN_GAIN_DB - min(wanted.values()), MAX_GAIN_DB - max(wanted.values()))
    return {stem: min(MAX_GAIN_DB, max(MIN_GAIN_DB, wanted[stem] + shift)) if stem in wanted else 0.0 for stem in lufs}
