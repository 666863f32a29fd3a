"""What the sweep file says of data: `[data]` and the tables that shape it, with the meaning of every key."""

from collections.abc import Mapping
from dataclasses import dataclass

from generating.markdown import listed
from manyfit.model import sweep as model

Meaning = tuple[str, str, str]
"""How a value is written, its default in words ("" takes the schema's), and what it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of the file: its heading, its text and the meaning of each of its keys."""

    heading: str
    text: str
    keys: Mapping[str, Meaning]


DATA = Section(
    heading="`[data]`",
    text="Where the rows come from and what the columns mean. Paths start from the folder of the sweep file.",
    keys={
        "source": (
            "path, `sklearn:NAME` or `package.module:function`",
            "must be given",
            "The table. Files: {readers}. scikit-learn's: {bundled}. A function returns a Polars or pandas frame,"
            " a dict of columns, a pair `(X, y)` or a Bunch.",
        ),
        "metadata": ("path", "none", "A second table, joined to the first on the column `index`."),
        "index": (
            "column",
            "none",
            "The column that names a row; both tables must have it when there is metadata. Never a feature.",
        ),
        "target": ("column", "`target`", "The column to predict."),
        "group": (
            "column",
            "none",
            "Rows that belong together (a speaker, a patient, a host). Needed by splits and folds of whole"
            " groups.",
        ),
        "time": ("column", "none", "When a row was taken. Needed by splits and folds in the order of time."),
        "problem": (
            listed(problem.value for problem in model.Problem),
            "told from the target",
            "Texts, truth values and few distinct integers are classes; other numbers are quantities. `anomaly` is"
            " a classification of two, see [models](../how-to/models.md): the rarer class is that of anomalies,"
            " and without `target` no row has a label.",
        ),
        "labels": ("table: class = name", "none", 'How classes are shown, for example `0 = "hid"`.'),
        "categories": (
            "table: category = list of classes",
            "none",
            "A coarser view of the same classes: adds the `category_…` metrics. Classes in no category form"
            " `other`.",
        ),
        "grid": (
            "table: argument = list of values",
            "none",
            "Arguments of a source function. Each combination is one data variant, and every candidate runs on"
            " each.",
        ),
        "windows": ("table", "none", "See [`[data.windows]`](#datawindows)."),
        "lags": ("table", "none", "See [`[data.lags]`](#datalags)."),
        "encode": ("table", "none", "See [`[data.encode]`](#dataencode)."),
    },
)


WINDOWS = Section(
    heading="`[data.windows]`",
    text="Makes a table with one row a sample into one with one row a window, see [signals](../how-to/signals.md)."
    " Besides the samples `CHANNEL_0000`, `CHANNEL_0001`, … a window has its label and what is constant in"
    " every recording; those columns are features only where a set names them.",
    keys={
        "size": (
            'samples, a time such as `"2s"`, or a list of them',
            "must be given",
            "How long a window is. Each size of a list is one data variant. The rest of a recording that fills no"
            " window is left out.",
        ),
        "channels": ("list of column patterns", "must be given", "The columns of the signals."),
        "by": (
            "column",
            "the table is one recording",
            "The recording of a sample. No window crosses recordings. The column stays, so that it can be the"
            " `group`.",
        ),
        "order": (
            "column",
            "as they stand",
            "Samples of a recording are sorted by it; a window has the value of its first sample.",
        ),
        "step": ("samples or a time", "from `overlap`", "From the beginning of a window to that of the next."),
        "overlap": ("fraction, from 0 and below 1", "`0`", "How much of a window the next one has as well."),
        "rate": ("number", "none", "Samples a second. Needed where `size` or `step` is a time."),
        "mixed": (
            listed(mixed.value for mixed in model.Mixed),
            "`drop`",
            "A window whose samples have different labels is left out, has the most frequent one (of equally"
            " frequent ones the first in order), or that of its last sample. Windows without a label are out.",
        ),
    },
)


LAGS = Section(
    heading="`[data.lags]`",
    text="For forecasts, see [an example](../examples/forecast.md): rows learn their past, and their target"
    " becomes a value to come. Needs `time` in `[data]`. Lags `COLUMN_lag_N`, statistics"
    " `COLUMN_STATISTIC_WINDOW` and the calendar `TIME_PART` become columns, lags first and small numbers first;"
    " none of them looks ahead. Rows without all of that past are left out. The time of the target is the column"
    " `TIME_of_target`. Splits by time leave out training rows whose target lies where rows are evaluated.",
    keys={
        "lags": (
            "list of integers",
            "none",
            "Earlier values, so many steps back. 0 is the value of the row itself.",
        ),
        "windows": ("list of integers", "none", "Lengths, in steps, of windows that end with the row itself."),
        "statistics": (listed(model.LAG_STATISTICS), "`mean`, `std`", "What is computed of each window."),
        "calendar": (
            listed(model.LAG_CALENDAR),
            "none",
            "Parts of the time of the row, as integers. Monday is 1.",
        ),
        "columns": ("list of columns", "the target", "The series that are looked at."),
        "horizon": ("integer", "`1`", "How many steps ahead the target lies."),
        "by": ("column", "the table is one series", "Tells several series of one table apart."),
        "every": (
            'a time such as `"1h"`',
            "a step is a row",
            "How long a step is. What falls into a gap is missing, rather than taken from another time.",
        ),
    },
)


ENCODE = Section(
    heading="`[data.encode]`",
    text="Columns of texts become numbers, see [columns of texts](../how-to/encode.md). What is added stands"
    " behind the columns of the table, which stay.",
    keys={
        "onehot": (
            "list of columns and patterns",
            "none",
            "A column `COLUMN=VALUE` for each value. Patterns take columns of texts that have no other role; whole"
            " numbers and truth values are encoded where they are named.",
        ),
        "ordinal": (
            "table: column = list of values",
            "none",
            "A column `COLUMN_code` with the place of each value, the first being 0. The list has all values.",
        ),
        "max_values": ("integer", "`100`", "A one-hot column with more values is a mistake."),
    },
)
