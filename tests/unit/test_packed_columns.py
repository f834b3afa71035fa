import pytest

from adapters.sql.packed_columns import PackedColumns
from adapters.sql.tables import idempotency_keys, job_tags, jobs


@pytest.mark.parametrize("column", [job_tags.c.value, idempotency_keys.c.body])
def test_a_column_that_json_cannot_hold_is_refused(column):
    with pytest.raises(TypeError, match="binary columns: one"):
        PackedColumns(jobs.c.job_id.label("job_id"), column.label("one"))
