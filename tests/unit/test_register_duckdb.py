"""Hold the sums that duckdb adds for the benchmark to the kernel's, also of cells without rows."""

import pytest

from benchmarks.register_columns import kernel_cube, make_sold


@pytest.mark.parametrize("sale_count", [1, 200])
def test_cube_when_few_sales_leave_cells_without_rows_then_equals_the_kernels(
    sale_count: int,
) -> None:
    pytest.importorskip("duckdb")
    from benchmarks.register_duckdb import open_tables

    sold = make_sold(sale_count)

    assert kernel_cube(sold) == open_tables(sold).cube()
