"""Companies are named by name and ticker; ordinary words stay words."""

from pathlib import Path

import pytest

from monitor.entities import Companies, load_companies, read_watchlist
from monitor.errors import UsageError


@pytest.fixture(scope="module")
def companies() -> Companies:
    return load_companies()


NAMED = [
    ("Apple shares fall 3%", ["AAPL"]),
    ("$AAPL and (NASDAQ: GOOG) up after the close", ["AAPL", "GOOGL"]),
    ("Goldman's profit jumps", ["GS"]),
    ("J.P. Morgan cuts its view of Tesla", ["JPM", "TSLA"]),
    ("Target shares slump after earnings", ["TGT"]),
    ("General Motors recalls 40,000 cars", ["GM"]),
    ("JPMORGAN CHASE PROFIT UP", ["JPM"]),
    ("Wells Fargo, Bank of America beat forecasts", ["WFC", "BAC"]),
    ("Nestle and L'Oreal slide, AT&T steady", ["NESN.SW", "OR.PA", "T"]),
    ("Ford's recall widens", ["F"]),
    ("McDonald\u2019s and Moody\u2019s gain", ["MCD", "MCO"]),
    ("NESTL\u00c9 SALES RISE", ["NESN.SW"]),
    ("Amazon rolls out Sunday deliveries", ["AMZN"]),
    ("Sharp posts higher sales", ["6753.T"]),
    ("Zebra to buy a unit of Motorola", ["ZBRA", "MSI"]),
    ("3M raises its forecast", ["MMM"]),
    ("Nike increases its dividend", ["NKE"]),
    ("Nestle sales rise", ["NESN.SW"]),
    ("Hershey lifts prices as cocoa soars", ["HSY"]),
    ("Merck sells a unit to Bayer", ["MRK", "BAYN.DE"]),
    ("$FB and $BRK-B higher", ["META", "BRK.B"]),
    ("Results of UPS and Oracle are out", ["UPS", "ORCL"]),
    ("Apple Now Covered by Summit Research (AAPL)", ["AAPL"]),
    ("Budget airline easyJet lifts forecast", ["EZJ.L"]),
    ("Brown-Forman gains, Coca\u2011Cola slips", ["BF.B", "KO"]),
    ("Regions Financial and $RF-PB fall", ["RF"]),
    ("Lloyds Banking Group falls; $LYG slides", ["LLOY.L"]),
    ("$TM and $SNE lower", ["7203.T", "6758.T"]),
    ("Darden Sells Red Lobster; Chipotle and Gilead rise", ["DRI", "CMG", "GILD"]),
    ("HP to split in two", ["HPQ"]),
    ("Apple up 3% premarket", ["AAPL"]),
    ("Target -2.4% after the open", ["TGT"]),
    ("Apple and Google settle", ["AAPL", "GOOGL"]),
    ("Visa, Mastercard sued by retailers", ["V", "MA"]),
    ("Amazon, Barnes & Noble, Apple buyers get credits", ["AMZN", "AAPL"]),
    ("Alphabet, Apple slip", ["GOOGL", "AAPL"]),
    ("'Streamlined' BlackBerry's revenue dips below $1B", ["BB"]),
    ("Should You Buy Helmerich & Payne (HP) Ahead of Earnings?", ["HP"]),
    ("Everest Group beats; Kingfisher posts a loss", ["EG", "KGF.L"]),
]
ORDINARY = [
    "Gold rises as the dollar slips",
    "My apple pie recipe",
    "Apple pie sales rise",
    "Target Price Raised to $50 by Analyst",
    "Visa application backlog grows",
    "US visa rules tightened",
    "They had to ford a river",
    "Meta analysis of 40 trials",
    "A best buy rating on the stock",
    "Delta variant spreads",
    "Amazon rainforest fires worsen",
    "Shell company used in fraud",
    "Orange juice futures up",
    "Gap between rich and poor widens",
    "Key takeaways from the Fed",
    "Global stocks rise",
    "Generally, intelligence matters",
    "Sharp fall in shares of smaller lenders",
    "Employers offered 4 million jobs in March",
    "Population Shift to Urban Areas Slows",
    "Exchange Lets Users Check Balances With New Login Screen",
    "Barnes & Noble shares rise",
    "Mortgage Rates Today: Fixed, ARM and FHA",
    "Bank Ups Its Dividend",
    "Jim Rogers buys euros",
    "Couple wins $3M in lawsuit",
    "$A lower after central bank meeting",
    "KE$HA on tour",
    "Report of the day - KMPH FOX 26",
    "'Dark Pool' IEX eyes stock exchange status",
    "National Bank of Greece to raise capital",
    "Gap up 4%: traders wary",
    "Target, stretch and hope",
    "Will Rogers Communications (RCI) Disappoint?",
    "Press Release: NMI(R) at 55.2%",
    "Dollar steadies before ADP data",
    "Citi Bike Needs Millions",
    "Climbers return to Mount Everest",
    "Kingfisher Airlines posts a loss",
]


@pytest.mark.parametrize(("text", "keys"), NAMED, ids=[text for text, _ in NAMED])
def test_a_company_is_found(companies: Companies, text: str, keys: list[str]) -> None:
    assert [mention.company for mention in companies.find(text)] == keys


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_word_is_no_company(companies: Companies, text: str) -> None:
    assert companies.find(text) == ()


def test_the_surface_is_what_the_text_says(companies: Companies) -> None:
    (mention,) = companies.find("Shares of Wal-Mart fell")
    assert (mention.company, mention.surface) == ("WMT", "Wal-Mart")


def test_a_watch_list_stands_above_the_listed(tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    path.write_text('[[company]]\nname = "Valdoria Motors"\nticker = "VLDQ"\naliases = ["Valdoria"]\n')
    found = load_companies(path).find("Valdoria recalls cars; $VLDQ falls")
    assert [(one.company, one.name) for one in found] == [("VLDQ", "Valdoria Motors")]


@pytest.mark.parametrize(
    "text",
    [
        "[[company]]\nticker = 'X'\n",
        "[[company\n",
        "[[company]]\nname = 'A'\naliases = 'B'\n",
        "[company]\nname = 'A'\n",
        "company = ['A']\n",
    ],
)
def test_a_bad_watch_list_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "watch.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"watch\.toml"):
        read_watchlist(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wipro, HDFC Bank fall after results", {"WIPRO", "HDFCBANK"}),
        ("Target Price Raised for Infosys", {"INFY"}),
        ("GM recalls a million cars", {"GM"}),
        ("A gm of gold costs more", set()),
        ("Yields fall 25 BP", set()),
        ("Oil: BP to drill again", {"BP"}),
        ("Reliance on imports grows", set()),
    ],
)
def test_companies_listed_in_mumbai_and_two_letter_names_are_found(
    companies: Companies, text: str, expected: set[str]
) -> None:
    assert {mention.company for mention in companies.find(text)} == expected


def test_no_two_companies_share_a_name_but_those_that_do(companies: Companies) -> None:
    """One company under two keys has its curve cut in two."""
    names: dict[str, set[str]] = {}
    for key, company in companies.all.items():
        names.setdefault(company.name, set()).add(key)
    assert {name: keys for name, keys in names.items() if len(keys) > 1} == {
        "EQT": {"EQT", "EQT.ST"},
        "Merck": {"MRK", "MRK.DE"},
    }
