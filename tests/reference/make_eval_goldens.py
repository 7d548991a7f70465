#!/usr/bin/env python3
"""What scikit-learn, SciPy, statsmodels and PyTorch say about small data: tests/eval/fixtures/goldens.safetensors.

    python tests/reference/make_eval_goldens.py

Needs torch, scikit-learn, scipy, statsmodels, safetensors. scikit-learn's solvers run to a tolerance far below the test's.
"""
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsClassifier
from statsmodels.stats.contingency_tables import mcnemar

OUT = pathlib.Path(__file__).resolve().parents[1] / "eval/fixtures/goldens.safetensors"
rng = np.random.default_rng(20200619)
CLASSES, SIZE, TRAIN, TEST = 4, 6, 120, 60


def draw(n):
    y = rng.integers(0, CLASSES, n)
    centres = np.random.default_rng(1).normal(size=(CLASSES, SIZE))
    return (0.8 * centres[y] + rng.normal(size=(n, SIZE))).astype(np.float32), y


def logistic(x, y, c):
    return LogisticRegression(C=c, tol=1e-10, max_iter=100000).fit(x.astype(np.float64), y)


golden = {}
x, y = draw(TRAIN)
tx, ty = draw(TEST)
golden.update(train_x=x, train_y=y, test_x=tx, test_y=ty)
for name, c in (("weak", 0.01), ("one", 1.0), ("strong", 100.0)):
    fit = logistic(x, y, c)
    golden.update({f"softmax_{name}_w": fit.coef_, f"softmax_{name}_b": fit.intercept_, f"softmax_{name}_predictions": fit.predict(tx)})

# Two classes: scikit-learn fits one weight vector.
two, test_two = y < 2, ty < 2
fit = logistic(x[two], y[two], 1.0)
golden.update(binary_w=fit.coef_, binary_b=fit.intercept_, binary_decision=fit.decision_function(tx[test_two]))

# Several labels: a logistic regression a class; the last class has no positive in the test data.
labels = (x @ rng.normal(size=(SIZE, 5)) + rng.normal(size=(TRAIN, 5)) > 1).astype(np.int64)
test_labels = (tx @ rng.normal(size=(SIZE, 5)) + rng.normal(size=(TEST, 5)) > 1).astype(np.int64)
test_labels[:, 4] = 0
fits = [logistic(x, labels[:, k], 1.0) for k in range(5)]
scores = np.stack([fit.decision_function(tx) for fit in fits], 1)
golden.update(multi_train=labels, multi_test=test_labels, multi_w=np.concatenate([f.coef_ for f in fits]), multi_b=np.concatenate([f.intercept_ for f in fits]),
              multi_ap=np.array([average_precision_score(test_labels[:, k], scores[:, k]) for k in range(4)]))

for k in (1, 7):
    fit = KNeighborsClassifier(n_neighbors=k, metric="cosine").fit(x, y)
    golden[f"knn_{k}"] = fit.predict_proba(tx)

# SGD as PyTorch does it, one batch an epoch so that the order does not matter.
for name, targets, loss in (("sgd", torch.tensor(y), torch.nn.functional.cross_entropy),
                            ("sgd_multi", torch.tensor(labels, dtype=torch.float64), torch.nn.functional.binary_cross_entropy_with_logits)):
    layer = torch.nn.Linear(SIZE, CLASSES if name == "sgd" else 5, dtype=torch.float64)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.3, momentum=0.9, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10, 0.1)
    for _ in range(25):
        optimizer.zero_grad()
        loss(layer(torch.tensor(x, dtype=torch.float64)), targets).backward()
        optimizer.step()
        schedule.step()
    golden.update({f"{name}_w": layer.weight.detach().numpy(), f"{name}_b": layer.bias.detach().numpy()})

# McNemar: (only the first right, only the second right) -> statistic and p; exact below 25 disagreements.
pairs = np.array([[0, 0], [3, 9], [0, 6], [12, 12], [15, 30], [200, 260]])
results = [mcnemar([[50, b], [c, 20]], exact=b + c < 25, correction=True) for b, c in pairs]
golden.update(mcnemar_counts=pairs, mcnemar_statistic=np.array([float(r.statistic) for r in results]), mcnemar_p=np.array([float(r.pvalue) for r in results]))

# Calibration over 10 equal bins, (a, b], of the larger softmax probabilities.
logits = rng.normal(size=(200, 3)) * 2
truth = rng.integers(0, 3, 200)
p = softmax(logits.astype(np.float32).astype(np.float64), 1)
confidence, right = p.max(1), p.argmax(1) == truth
bins = np.clip(np.ceil(confidence * 10).astype(int) - 1, 0, 9)
ece = sum(abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in range(10) if (bins == b).any())
golden.update(calibration_logits=logits.astype(np.float32), calibration_truth=truth, calibration_ece=np.array([ece]))

save_file({name: np.ascontiguousarray(value) for name, value in golden.items()}, OUT)
print(OUT, OUT.stat().st_size, "bytes")
