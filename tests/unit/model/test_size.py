import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.model.errors import PipelineError
from recoup.model.pipeline import Pipeline
from recoup.model.size import LEAST_BYTES, memory_bytes, memory_text, memory_words
from recoup.model.time_partitionings import Daily

MIB = 1024**2


@pytest.mark.parametrize(
    ("written", "size"),
    [("64MiB", 64 * MIB), ("2GiB", 2048 * MIB), ("2 GB", 2_000_000_000), ("1.5gib", 1536 * MIB), (1 << 30, 1 << 30)],
)
def test_as_people_write_it(written, size):
    assert memory_bytes(written) == size


@pytest.mark.parametrize("written", ["", "2", "much", "-1GiB", "2XiB", 2.5, True, None, "1MiB", 0, -5])
def test_what_no_attempt_could_live_with_is_refused(written):
    with pytest.raises(PipelineError, match="eats: memory"):
        memory_bytes(written, "step eats: memory")


@pytest.mark.parametrize(
    ("size", "text"),
    [(512, "512 B"), (64 * MIB, "64 MiB"), (2 << 30, "2 GiB"), (2_254_857_830, "2.1 GiB"), (999 * MIB, "999 MiB")],
)
def test_a_limit_reads_as_it_was_written(size, text):
    assert memory_text(size) == text


@given(st.integers(LEAST_BYTES, 1 << 50))
def test_the_words_of_a_command_are_exact(size):
    assert memory_bytes(memory_words(size)) == size


def test_a_step_has_the_pipelines_limit_unless_it_says_otherwise():
    p = Pipeline("p", partitions=Daily("2024-01-01", "2024-01-02"), memory="2GiB")

    @p.step
    def usual(ctx): ...

    @p.step(memory="512MiB")
    def small(ctx): ...

    assert (usual.memory_bytes, small.memory_bytes) == (2 << 30, 512 * MIB)
