"""Which kernel computes attention."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from webui.weights import attention
from webui.weights.attention import Attention, attending, choose_attention, sliced

CPU = torch.device("cpu")


def heads(tokens: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 4, tokens, 16, generator=torch.Generator().manual_seed(seed))


def test_torchs_own_attention_is_the_choice_unless_another_is_asked_for() -> None:
    for wanted in ("auto", "sdpa"):
        assert choose_attention(wanted, CPU) == Attention("sdpa", "", None)


@pytest.mark.parametrize("name", ["xformers", "flash", "sage"])
def test_kernels_of_gpus_are_declined_on_a_cpu_with_a_reason(name: str) -> None:
    chosen = choose_attention(name, CPU)
    assert (chosen.name, chosen.kernel) == ("sdpa", None)
    assert chosen.why == f"{name} has no kernels for cpu"


def test_a_package_that_is_not_there_is_declined_with_a_reason() -> None:
    chosen = choose_attention("sage", torch.device("cuda"))
    assert chosen.name == "sdpa"
    assert "is not installed" in chosen.why


def test_slices_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = heads(37), heads(23, 1), heads(23, 2)
    monkeypatch.setattr(attention, "SLICE_SCORES", 2 * 4 * 23 * 5)  # five queries at a time
    torch.testing.assert_close(sliced(q, k, v), F.scaled_dot_product_attention(q, k, v))
    mask = torch.rand(2, 1, 37, 23) > 0.2
    expected = F.scaled_dot_product_attention(q, k, v, mask)
    torch.testing.assert_close(sliced(q, k, v, attn_mask=mask), expected)


def test_the_kernel_serves_within_its_block_and_what_it_declines_goes_to_torch() -> None:
    calls: list[int] = []

    def kernel(query: torch.Tensor, *_: torch.Tensor, is_causal: bool = False) -> torch.Tensor:
        calls.append(query.shape[-2])
        if is_causal:
            raise NotImplementedError
        return query

    q, k, v = heads(5), heads(5, 1), heads(5, 2)
    with attending(Attention("own", kernel=kernel)):
        assert F.scaled_dot_product_attention(q, k, v) is q
        causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.equal(causal, F.scaled_dot_product_attention(q, k, v, is_causal=True))
    assert calls == [5, 5]


def test_xformers_is_never_imported_on_a_cpu_though_it_is_installed(tmp_path: Path) -> None:
    package = tmp_path / "xformers"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    info = tmp_path / "xformers-0.0.35.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: xformers\nVersion: 0.0.35\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from pathlib import Path\n"
        "from webui.contract.worker import EngineConfig\n"
        "from webui.generation.entry import make_engine\n"
        f"here = Path({str(tmp_path)!r})\n"
        "make_engine(EngineConfig(models_dir=here, data_dir=here, attention='xformers',\n"
        "                         device='cpu'))\n"
        "import diffusers.models.attention_processor\n"
        "assert 'xformers' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
