"""Loads a folder that `filbert train` wrote in transformers and compares the probabilities with filbert's.

    pip install torch transformers
    python scripts/check_transformers.py MODEL [--filbert target/release/filbert] [--data ROWS.csv --text COL]

Exits with 1 where a probability differs by more than 1e-4, or where a weight was missing or unexpected.
"""
import argparse
import csv
import json
import subprocess
import sys

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

ap = argparse.ArgumentParser()
ap.add_argument("model")
ap.add_argument("--filbert", default="target/release/filbert")
ap.add_argument("--data")
ap.add_argument("--text", default="text")
ap.add_argument("--rows", type=int, default=200)
args = ap.parse_args()

texts = ["hello world", "paypal.com.secure-login.example/a?b=c", "Ünïcödé 東京 😀", "", "x " * 300]
if args.data:
    with open(args.data, newline="", encoding="utf-8") as file:
        texts += [row[args.text] for _, row in zip(range(args.rows), csv.DictReader(file))]
settings = json.load(open(f"{args.model}/filbert.json", encoding="utf-8"))
if settings["pooling"] != "pooler":
    sys.exit("this folder was trained with another pooling than the pooler: only filbert reproduces it")
model, info = AutoModelForSequenceClassification.from_pretrained(args.model, output_loading_info=True)
problems = {k: sorted(v) for k, v in info.items() if k in ("missing_keys", "unexpected_keys", "mismatched_keys") and v}
tokenizer = AutoTokenizer.from_pretrained(args.model)
out = subprocess.run([args.filbert, "predict", "--model", args.model, "--json", "--quiet", "--", *texts],
                     check=True, capture_output=True, text=True).stdout
worst = 0.0
names = [model.config.id2label[i] for i in range(model.config.num_labels)]
for text, row in zip(texts, json.loads(out)["predictions"]):
    enc = tokenizer(text, truncation=True, max_length=settings["max_length"], return_tensors="pt")
    with torch.no_grad():
        p = model.eval()(**enc).logits.softmax(-1)[0].tolist()
    worst = max(worst, *(abs(p[i] - row["probabilities"][name]) for i, name in enumerate(names)))
print(json.dumps({"rows": len(texts), "largest_difference": worst, "loading": problems}))
sys.exit(1 if problems or worst > 1e-4 else 0)
