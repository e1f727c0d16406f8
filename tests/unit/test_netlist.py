"""Netlists from strangers: what is read in them, what is refused, and that nothing unchecked reaches the simulator."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import netlist as netlist_module
from domain.netlist import ELEMENTS, PASSED_CARDS, Netlist, NetlistRefused, read_netlist, spice_number

DIVIDER = """a divider
.PARAM r1=1k R2={r1*2} ; comment
+ c1 = 2.5pF
V1 in 0 1 ac 1
Ra in out {r1} $ comment
* .control
Rb out 0
+ {r2}
.OP
.Meas dc Vout find v(out) at=1
.dc v1 0 1 0.5
.end
.control
shell rm -rf /
.endc
"""


def read(cards: str, files: dict[str, str] | None = None) -> Netlist:
    text = f"title\n{cards}\n.tran 1n 1u\n.meas tran m find v(1) at=1\n"
    return read_netlist("d/x.cir", {"d/x.cir": text} | (files or {}))


def test_parameters_and_measurements_are_read() -> None:
    netlist = read_netlist("x.cir", {"x.cir": DIVIDER})
    assert netlist.parameters == ("r1", "r2", "c1")
    assert netlist.defaults == {"r1": 1000.0, "c1": 2.5e-12}
    assert netlist.measurements == ("vout",)


def test_the_netlist_to_simulate_is_written_anew() -> None:
    text = read_netlist("x.cir", {"x.cir": DIVIDER}).text("dc", {"r1": 250.0}, seed=4)
    assert text.splitlines() == [
        "* simulated by plog",
        ".option seed=5",
        ".save all",
        ".param r1=250.0",
        ".param r2={r1*2}",
        ".param c1 = 2.5pf",
        "v1 in 0 1 ac 1",
        "ra in out {r1}",
        "rb out 0 {r2}",
        ".meas dc vout find v(out) at=1",
        ".dc v1 0 1 0.5",
        ".end",
    ]


def test_parameters_of_subcircuits_are_no_inputs() -> None:
    netlist = read(".param w=1\n.subckt inv a b w=2\n.param inner=3\nr1 a b {inner}\n.ends\nx1 1 0 inv")
    assert netlist.parameters == ("w",)
    assert ".param inner=3" in netlist.text("tran", {"inner": 7.0, "w": 5.0}, 0)


@pytest.mark.parametrize(
    "cards",
    [
        ".control\nshell ls\n.endc",
        ".CONTROL",
        ".con\n+trol\n.exec ls",
        ".csparam a=1",
        ".write out.raw",
        ".shell ls",
        ".pre_osdi evil.osdi",
        ".",
        "a1 [1] 2 evil",
        "  A1 1 2 evil",
        "n1 1 2 evil",
        "u1 1 2 3 urc",
        "y1 1 0 2 0 txl",
        ".model evil d_source(input_file=/etc/passwd)",
        ".model evil filesource",
        ".model evil numd",
        ".model evil",
        ".include /etc/passwd",
        ".INCLUDE ../x.inc",
        ".inc sub/../../x.inc",
        ".include ~/x.inc",
        ".include C:/x.inc",
        ".include sub\\x.inc",
        ".include missing.inc",
        ".include",
        ".include a b",
        ".include other.cir",
        ".lib models.lib",
        ".lib models.lib missing",
        ".lib ../models.lib tt",
        ".lib models.lib evil",
        ".include evil.inc",
        ".include loop.inc",
        ".incl ok.inc",
        "r1 1 0 `ls`",
        "r1 1 0 \\",
        'b1 1 0 v="x"',
        "b1 1 0 v=1 file=/etc/passwd",
        "r1 1 0 1\x00",
        "r1 1 0 1\x1b[2J",
        "r1 1 0 1\u2028.control",
        "r1 1 0 ü",
        "r1 1 0 %v",
        ".param a = b * 2",
        ".param =",
        ".option rawfile=x",
        ".options seed=1 sourcepath=/etc",
        ".meas tran m find v(1) at=2",
        ".meas fft q find v(1) at=2",
        ".meas tran",
        ".meas tran a-b find v(1) at=2",
        ".subckt open a b",
        ".ends",
        "+ continued",
    ],
)
def test_what_is_not_allowed_is_refused(cards: str) -> None:
    files = {
        "d/models.lib": ".lib tt\nr1 1 0 1\n.endl\n.lib evil\n.control\n.endl\n",
        "d/evil.inc": "* harmless\n.control\nshell ls\n.endc\n",
        "d/loop.inc": ".include loop.inc\n.include loop.inc\n",
        "d/ok.inc": "r9 1 0 1\n",
        "x.inc": "r8 1 0 1\n",
        "other.cir": "r7 1 0 1\n",
    }
    read("r5 1 0 1")
    with pytest.raises(NetlistRefused) as caught:
        read(cards, files)
    assert str(caught.value).startswith("d/")


@pytest.mark.parametrize("name", ["../x.inc", "sub/../../x.inc", "/x.inc", "d/../../x.inc"])
def test_an_include_never_leaves_the_folder_of_the_netlist(name: str) -> None:
    with pytest.raises(NetlistRefused, match="leads out"):
        read(f".include {name}", {name: "r1 1 0 1", f"d/{name}": "r1 1 0 1", "x.inc": "r1 1 0 1"})


def test_neither_title_nor_comment_is_handed_on() -> None:
    comments = "* shell ls\n*# shell ls\n# x\n$ y\n; z\n// w\n"
    text = f"*ng_script\n{comments}r1 1 0 1 // comment\n.tran 1n 1u\n.meas tran m find v(1) at=1\n"
    for title in ("*ng_script", ".include /etc/passwd", ".control"):
        written = read_netlist("x", {"x": text.replace("*ng_script", title, 1)}).text("tran", {}, 0)
        assert written.splitlines()[3:-1] == ["r1 1 0 1", ".tran 1n 1u", ".meas tran m find v(1) at=1"]


def test_included_files_are_checked_and_written_in_place() -> None:
    files = {
        "d/sub/ok.inc": "r1 1 0 1\n+ 2\n.include more.inc\n.end\nr2 ignored",
        "d/sub/more.inc": "c1 1 0 1p",
        "d/models.lib": ".lib ss\nr3 1 0 1\n.endl ss\n.lib tt\nr4 1 0 1\n.endl tt\n",
    }
    netlist = read(".include \"Sub/ok.inc\"\n.lib 'models.lib' TT", files)
    assert netlist.includes == ("d/sub/ok.inc", "d/sub/more.inc", "d/models.lib")
    assert [card.text for card in netlist.cards] == [
        "r1 1 0 1 2",
        "c1 1 0 1p",
        "r4 1 0 1",
        ".tran 1n 1u",
        ".meas tran m find v(1) at=1",
    ]


def test_what_only_prints_is_left_out_and_said_so() -> None:
    netlist = read(".print tran v(1)\n.op\n.dc v1 0 1 1\n.options post reltol=1e-4 nomod")
    assert netlist.ignored == (".dc", ".op", ".option nomod", ".option post", ".print")
    assert netlist.cards[0].text == ".option reltol=1e-4"


def test_a_netlist_without_measurement_is_refused() -> None:
    with pytest.raises(NetlistRefused, match=r"no \.meas"):
        read_netlist("x", {"x": "t\nr1 1 0 1\n"})


def test_each_measured_analysis_is_simulated_by_itself() -> None:
    netlist = read(".ac dec 10 1 1k\n.meas ac gain max vdb(1)\n.param g=1")
    assert netlist.analyses == ("ac", "tran")
    written = netlist.text("ac", {}, 0).splitlines()[3:-1]
    assert written == [".ac dec 10 1 1k", ".meas ac gain max vdb(1)", ".param g=1"]
    with pytest.raises(NetlistRefused, match=r"\.meas dc without \.dc"):
        read(".meas dc x find v(1) at=1")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "card",
    [
        "r1 a b " + "file" * 4_990,
        "r1 a b " + "file " * 3_990,
        ".param " + "a" * 19_990,
        ".param " + "a(" * 9_990,
        ".param " + "a='b" * 4_990,
        ".param " + "a={b" * 4_990,
        ".param " + "a " * 9_990,
    ],
)
def test_no_card_takes_long_to_read(card: str) -> None:
    """Backtracking took minutes to hours on each of the first cards of these."""
    with pytest.raises(NetlistRefused) as caught:
        read("\n".join([card, card[:-1]]) + "\n.bad")
    assert len(str(caught.value)) < 200


def test_including_a_large_file_again_and_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlist_module, "MAX_TEXT", 10_000)
    comments = "* nothing\n" * 300
    read(".include c.inc\n" * 3, {"d/c.inc": comments})
    with pytest.raises(NetlistRefused, match="more than 10000 characters"):
        read(".include c.inc\n" * 4, {"d/c.inc": comments})


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlist_module, "MAX_CARDS", 100)
    with pytest.raises(NetlistRefused, match="more than 100 cards"):
        read("r1 1 0 1\n" * 200)
    with pytest.raises(NetlistRefused, match="characters"):
        read("r1 1 0 1\n" + "+ 1111111111\n" * 3000)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("10", 10), ("1e-6", 1e-6), ("2.5pF", 2.5e-12), ("10f", 1e-14), ("1MEG", 1e6), ("1m", 1e-3), ("1mil", 25.4e-6)],
        *[("3kOhm", 3e3), (".5", 0.5), ("-1.", -1), ("1e3k", 1e6), ("1T", 1e12), ("1g", 1e9), ("7V", 7)],
        *[("", None), ("x", None), ("1+1", None), ("{a}", None), ("1 2", None), ("1e9999", None), ("nan", None), ("inf", None)],
    ],
)
def test_numbers(text: str, value: float | None) -> None:
    assert spice_number(text) == value


LINES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [".param a=1", ".include x.inc", ".control", "r1 1 0 {a}", "+ 1", ".lib x.inc tt", ".end", ".subckt s a", ".ends", "*"]
    ),
)


@given(st.lists(LINES, max_size=12), st.lists(LINES, max_size=6))
def test_whatever_passes_holds_allowed_cards_only(lines: list[str], included: list[str]) -> None:
    files = {"x.cir": "\n".join(["t", *lines, ".tran 1n 1u", ".meas tran m find v(1) at=1"]), "x.inc": "\n".join(included)}
    try:
        netlist = read_netlist("x.cir", files)
    except NetlistRefused:
        return
    written = netlist.text("tran", {"a": 2.0}, 1)
    assert written.isascii()
    assert not set(written) & set('`$;\\"\t\r\x00')
    for line in written.splitlines()[1:]:
        word = line.split()[0]
        known = word in PASSED_CARDS | {".param", ".option", ".end", ".meas", ".measure"}
        assert known or (word[0] in ELEMENTS and not word.startswith("."))
