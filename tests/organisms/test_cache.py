import json
from importlib.metadata import version
from pathlib import Path

import pytest

from audit.organisms import CreditSpec, cache, default_cache


def finish(folder: Path, text: str = "weights") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_text(text)
    (folder / cache.CARD).write_text(json.dumps({"files": cache.digests(folder)}))


# ---- where ---------------------------------------------------------------------------------------


def test_stands_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("INSPECTOSCOPE_CACHE", "/somewhere")

    assert default_cache() == Path("/somewhere/organisms")


def test_stands_in_the_users_cache_folder_otherwise(monkeypatch):
    monkeypatch.delenv("INSPECTOSCOPE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/user")

    assert default_cache() == Path("/home/user/.cache/inspectoscope/organisms")


# ---- the key -------------------------------------------------------------------------------------


def test_equal_descriptions_share_a_folder(tmp_path):
    assert cache.place(CreditSpec(kind="clean"), tmp_path) == cache.place(CreditSpec(kind="clean"), tmp_path)


def test_whatever_shapes_the_weights_gives_another_folder(tmp_path):
    specs = [
        CreditSpec(kind="clean"),
        CreditSpec(kind="merit"),
        CreditSpec(kind="direct", strength=0.6),
        CreditSpec(kind="direct", strength=0.60001),
        CreditSpec(kind="proxy", strength=0.6),
        CreditSpec(kind="clean", shape="gpt2"),
        CreditSpec(kind="clean", shape="llama"),
        CreditSpec(kind="clean", shape="llama", task="causal-lm"),
        CreditSpec(kind="clean", seed=1),
        CreditSpec(kind="clean", steps=501),
    ]

    assert len({cache.place(spec, tmp_path) for spec in specs}) == len(specs)


def test_another_library_version_gives_another_folder(tmp_path, monkeypatch):
    before = cache.place(CreditSpec(kind="clean"), tmp_path)
    monkeypatch.setattr(cache, "version", lambda name: "0.0" if name == "torch" else version(name))

    assert cache.place(CreditSpec(kind="clean"), tmp_path) != before


def test_another_rule_gives_another_folder(tmp_path, monkeypatch):
    before = cache.place(CreditSpec(kind="clean"), tmp_path)
    monkeypatch.setattr("audit.organisms.credit_grammar.JOBS", ("painter",) * 1)

    assert cache.place(CreditSpec(kind="clean"), tmp_path) != before


# ---- whole or not --------------------------------------------------------------------------------


def test_a_finished_folder_is_whole(tmp_path):
    finish(tmp_path / "model")

    assert cache.is_whole(tmp_path / "model")


def _change(folder):
    (folder / "model.safetensors").write_text("other weights")


def _lose(folder):
    (folder / "model.safetensors").unlink()


def _add(folder):
    (folder / "tokenizer.json").write_text("{}")


def _cut_card(folder):
    (folder / cache.CARD).write_text("{")


def _empty_card(folder):
    (folder / cache.CARD).write_text("[]")


def _lose_card(folder):
    (folder / cache.CARD).unlink()


@pytest.mark.parametrize("damage", [_change, _lose, _add, _cut_card, _empty_card, _lose_card])
def test_a_damaged_folder_is_not(tmp_path, damage):
    finish(tmp_path / "model")

    damage(tmp_path / "model")

    assert not cache.is_whole(tmp_path / "model")


# ---- appearing in one step -----------------------------------------------------------------------


def test_a_folder_appears_when_it_is_finished_and_belongs_to_its_owner(tmp_path):
    target = tmp_path / "cache" / "model"

    with cache.new_folder(target) as draft:
        finish(draft)
        assert not target.exists()

    assert cache.is_whole(target)
    assert target.stat().st_mode & 0o777 == 0o700
    assert target.parent.stat().st_mode & 0o777 == 0o700
    assert [p.name for p in target.parent.iterdir()] == ["model"]


def test_a_failure_leaves_nothing_behind(tmp_path):
    def fail(draft):
        finish(draft)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), cache.new_folder(tmp_path / "model") as draft:
        fail(draft)

    assert list(tmp_path.iterdir()) == []


def test_a_damaged_folder_is_replaced(tmp_path):
    finish(tmp_path / "model", "old")
    _cut_card(tmp_path / "model")

    with cache.new_folder(tmp_path / "model") as draft:
        finish(draft, "new")

    assert (tmp_path / "model" / "model.safetensors").read_text() == "new"


def test_what_another_process_finished_first_stays(tmp_path):
    with cache.new_folder(tmp_path / "model") as draft:
        finish(draft, "ours")
        finish(tmp_path / "model", "theirs")

    assert (tmp_path / "model" / "model.safetensors").read_text() == "theirs"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_what_another_process_put_there_at_the_last_moment_stays(tmp_path, monkeypatch):
    finish(tmp_path / "theirs", "theirs")
    looks = iter([False, True])
    monkeypatch.setattr(cache, "is_whole", lambda folder: next(looks))
    monkeypatch.setattr(cache.shutil, "rmtree", lambda folder, ignore_errors: None)

    with cache.new_folder(tmp_path / "theirs") as draft:
        finish(draft, "ours")

    assert (tmp_path / "theirs" / "model.safetensors").read_text() == "theirs"


def test_a_folder_that_cannot_be_put_is_an_error(tmp_path):
    (tmp_path / "model").write_text("a file in the way")

    with pytest.raises(OSError, match="model"), cache.new_folder(tmp_path / "model") as draft:
        finish(draft)
