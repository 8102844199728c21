"""What a model must beat to be worth its cost: the commonest class, a word list, and a bag of words. Trains in seconds.

Each is a function `(train, asked, topics, head) -> class indices of asked`, over examples of one head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from training.answers import label_index
from training.data import Example

VADER_EDGE = 0.05
"""The word list's own threshold for a text that leans to one side."""
SMALL = 100
"""Of fewer texts every word counts: in so few hardly one stands twice."""
NEGATIVE, NEUTRAL, POSITIVE = range(3)


def majority(train: Sequence[Example], asked: Sequence[Example], topics: Sequence[str]) -> np.ndarray:
    """The class that training saw most, for every text."""
    commonest = Counter(label_index(one, topics) for one in train).most_common(1)[0][0]
    return np.full(len(asked), commonest)


def vader(asked: Sequence[Example]) -> np.ndarray:
    """A general word list of sentiment; it knows no topics, and nothing of the company asked for."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    leaning = np.array([analyzer.polarity_scores(one.text)["compound"] for one in asked])
    return np.where(leaning >= VADER_EDGE, POSITIVE, np.where(leaning <= -VADER_EDGE, NEGATIVE, NEUTRAL))


def words(train: Sequence[Example], asked: Sequence[Example], topics: Sequence[str]) -> np.ndarray:
    """TF-IDF of words and word pairs, logistic regression, classes weighted alike; the company is read as words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2 if len(train) >= SMALL else 1, sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1_000, class_weight="balanced"),
    )
    model.fit([_read(one) for one in train], [label_index(one, topics) for one in train])
    answers: np.ndarray = model.predict([_read(one) for one in asked])
    return answers


def baselines(
    train: Sequence[Example], asked: Sequence[Example], topics: Sequence[str], head: str
) -> dict[str, np.ndarray]:
    """Name -> answers, for examples of one head."""
    mine = [one for one in train if one.source == head and (head != "topic" or one.topic in topics)]
    named = {"majority": majority(mine, asked, topics)} if mine else {}
    if len({label_index(one, topics) for one in mine}) > 1:  # else there is nothing to tell apart
        named["TF-IDF + logistic regression"] = words(mine, asked, topics)
    return named if head == "topic" else {**named, "VADER": vader(asked)}


def _read(one: Example) -> str:
    return f"{one.text} {one.company}" if one.company else one.text
