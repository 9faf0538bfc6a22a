import hashlib

from audit import resources
from audit.report import fonts

RELEASED = {
    "IBMPlexSans-Regular.woff2": "ba711a3085ff9f27",
    "IBMPlexSans-Italic.woff2": "13284fab1821ba6e",
    "IBMPlexSans-SemiBold.woff2": "f78048030eab62e8",
    "IBMPlexSans-Bold.woff2": "fa7130d854a660b3",
    "IBMPlexMono-Regular.woff2": "ba204497f16b6d33",
    "IBMPlexMono-SemiBold.woff2": "6a825b4824c01cbb",
    "DejaVuSans.ttf": "3fdf69cabf06049e",
}


def test_the_fonts_show_what_the_report_writes() -> None:
    written = "−≤≥×⟨⟩↵⇥…–—“”‘’✔✖▲○∅·⁻⁹\u202f\u00a0▁Ġ"

    assert {ch for ch in written if ord(ch) not in fonts.coverage()} == set()


def test_what_a_system_font_could_take_over_is_not_covered() -> None:
    assert {ch for ch in "😀⭐⚡\ufe0f漢" if ord(ch) in fonts.coverage()} == set()


def test_the_width_of_a_text_is_the_sum_of_its_advances() -> None:
    assert fonts.width("ii", 10) == 2 * fonts.width("i", 10)
    assert fonts.width("m", 10, bold=True) > fonts.width("i", 10, bold=True)
    assert fonts.width("✔", 10) > 0


def test_embedded_fonts_are_data_and_leave_out_the_large_one() -> None:
    embedded, beside = fonts.css(embed=True), fonts.css(embed=False)

    assert embedded.count("url(data:font/woff2;base64,") == 6
    assert "fonts/" not in embedded
    assert beside.count("url(fonts/") == 7


def test_every_font_has_its_licence_beside_it() -> None:
    folder = resources.folder("report_templates") / "fonts"

    assert "SIL OPEN FONT LICENSE" in (folder / "LICENSE-IBM-Plex.txt").read_text(encoding="utf-8")
    assert "Bitstream Vera" in (folder / "LICENSE-DejaVu.txt").read_text(encoding="utf-8")


def test_the_font_files_are_the_ones_their_makers_released() -> None:
    # The name "Plex" is reserved for unmodified files (SIL OFL 1.1, section 3).
    folder = resources.folder("report_templates") / "fonts"
    digests = {face.file: hashlib.sha256((folder / face.file).read_bytes()).hexdigest()[:16] for face in fonts.FACES}

    assert digests == RELEASED
