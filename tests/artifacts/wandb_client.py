"""Downloads artifacts with W&B's own client: `python wandb_client.py FOLDER NAME...`.

Runs in the environment `wandb`. Writes a JSON object by name: what the client says of the artifact,
the SHA-256 of each file that it wrote, and the manifest that it makes of those files and of a
reference.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import wandb


def downloaded(api: Any, name: str, folder: Path) -> dict[str, Any]:
    """What the client has of an artifact; its error in words where it has none."""
    try:
        artifact = api.artifact(name)
        artifact.download(root=str(folder), skip_cache=True)
    except (ValueError, wandb.errors.CommError) as error:
        return {"error": str(error)}
    files = [path for path in folder.rglob("*") if path.is_file()]
    made = wandb.Artifact("again", type="model")
    made.add_dir(str(folder))
    digest = made.digest
    made.add_reference("https://models.example/big.bin", checksum=False)
    return {
        "made": {"digest": digest, "manifest": made.manifest.to_manifest_json()},
        "version": artifact.version,
        "digest": artifact.digest,
        "qualified_name": artifact.qualified_name,
        "files": {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        },
    }


def main() -> None:
    folder = Path(sys.argv[1])
    api = wandb.Api(timeout=20)
    names = sys.argv[2:]
    said = {name: downloaded(api, name, folder / str(at)) for at, name in enumerate(names)}
    (folder / "said.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
