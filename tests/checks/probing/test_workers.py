"""Work side by side: in order, in one thread each, and stopped by an error."""

from threading import Event

import pytest
from threadpoolctl import threadpool_info

from audit.checks._probing import workers


def test_results_come_in_the_order_of_the_work() -> None:
    with workers.workers() as pool:
        assert pool.each(lambda x: x * x, range(50)) == [x * x for x in range(50)]


def test_every_matrix_product_gets_one_thread_and_the_old_number_comes_back() -> None:
    def blas() -> list[int]:
        return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]

    before = blas()

    with workers.workers():
        during = blas()

    assert set(during) == {1}
    assert blas() == before


def test_an_error_drops_what_has_not_begun() -> None:
    begun, gate = [], Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ArithmeticError("the first piece failed")
        gate.wait(0.05)

    with pytest.raises(ArithmeticError, match=r"^the first piece failed$"), workers.workers() as pool:
        pool.each(work, range(200))
    assert len(begun) < 100


def test_without_a_pool_the_work_is_done_all_the_same() -> None:
    assert workers.Workers().each(str, [1, 2]) == ["1", "2"]
