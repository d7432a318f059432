#!/bin/sh
# The demo: a real pretrained encoder, fine-tuned on 2,400 real domain names, phishing and legitimate, measured on
# rows it never saw, saved as a folder that Hugging Face tools load, then compressed. A second run shows what is there.
set -eu
FILBERT=${FILBERT:-target/release/filbert}
RUN=demo/run
MODEL=$RUN/model
PARTS=$RUN/parts
SMALL=$RUN/small

if [ -e "$MODEL/filbert.json" ]; then
    echo "the model of an earlier run is in $MODEL (make clean-demo removes it)"
else
    sh scripts/get_model.sh
    mkdir -p "$RUN"
    "$FILBERT" data --data demo/domains.csv --split 70/15/15 --out "$PARTS" --quiet >/dev/null
    "$FILBERT" train --model minilm-l6 --train "$PARTS/train.csv" --valid "$PARTS/valid.csv" --test "$PARTS/test.csv" \
        --positive phishing --out "$MODEL"
fi

echo
"$FILBERT" inspect "$MODEL"
echo
echo "six names that the list does not have:"
"$FILBERT" predict --model "$MODEL" debian.org python.org stackoverflow.com \
    login-metamask-wallet.example secure-paypa1-verify.example free-eth-airdrop.example
echo
if [ -e "$SMALL/filbert.json" ]; then
    echo "the compressed model of an earlier run is in $SMALL"
else
    echo "the smallest artifact that keeps its accuracy within one point on the validation rows:"
    "$FILBERT" compress --model "$MODEL" --train "$PARTS/train.csv" --data "$PARTS/valid.csv" --test "$PARTS/test.csv" \
        --max-drop 0.01 --epochs 2 --out "$SMALL" --quiet
fi
"$FILBERT" predict --model "$SMALL" login-metamask-wallet.example

echo
echo "the model folder is $MODEL; the report to open is $MODEL/report.html"
echo "yours next: $FILBERT train --data YOUR.csv --out my-model"
