"""yaml_to_json.py IN.yaml OUT.json: the same document as compact JSON, keys in their order."""

import json
import pathlib
import sys

import yaml

source, target = map(pathlib.Path, sys.argv[1:])
document = yaml.safe_load(source.read_text(encoding="utf-8"))
target.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
