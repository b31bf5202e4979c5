"""A language model of a few hundred kilobytes with random weights, in GGUF: for servers that are to be tried, not for
answers. Its tokens are single bytes. It says nothing sensible, but it says it in JSON's commonest characters, so that
where a grammar leads it, it comes to an end. Given an answer (ASCII), its pieces are further tokens, one leads to the
next, and that is all that the model says.
"""
import gguf
import numpy as np

WIDTH, HEADS, HIDDEN, CONTEXT = 64, 4, 128, 4096
PIECE = 24  # characters; llama-cpp-python shows no token of more than 32 bytes


def liking(byte):
    """How much more probable than others the byte is, as a logit."""
    c = chr(byte)
    if c in '"':
        return 3.0
    if c in "}],:{[01.":
        return 1.5
    return 0.5 if c.isascii() and c.isalpha() else 0.0 if c == " " else -6.0


def write_model(path, seed=1, answer=None):
    rng = np.random.default_rng(seed)
    pieces = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL] + [gguf.TokenType.BYTE] * 256
    chain = [answer[i:i + PIECE] for i in range(0, len(answer or ""), PIECE)]
    assert len(chain) < WIDTH and len(set(chain)) == len(chain)
    pieces += chain
    kinds += [gguf.TokenType.NORMAL] * len(chain)
    n = len(pieces)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(n)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores([0.0] * n)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: ")

    def random(*shape, scale=0.05):
        return rng.normal(scale=scale, size=shape).astype(np.float32)

    embedding, output = random(n, WIDTH), random(n, WIDTH)
    embedding[:, 0] = 1.0  # the same in every state, so the output's first column is a bias
    output[:, 0] = [-9.0, -9.0, 2.0] + [liking(i) for i in range(256)] + [-9.0] * len(chain)
    embedding[:, 1:1 + len(chain)] = 0.0
    for i in range(len(chain)):  # each piece's own place makes the next one certain; behind the last comes the end
        here = n - len(chain) + i
        embedding[here, 1 + i] = 1.0
        output[here + 1 if i + 1 < len(chain) else 2, 1 + i] = 8.0
    if chain:
        output[n - len(chain), 0] = 12.0
    output[:, 0] /= WIDTH ** 0.5  # what the normalisation makes of a state that is all in one place
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for name in "attn_norm", "ffn_norm":
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(WIDTH, np.float32))
    for name in "attn_q", "attn_k", "attn_v", "attn_output":
        writer.add_tensor(f"blk.0.{name}.weight", random(WIDTH, WIDTH))
    for name in "ffn_gate", "ffn_up":
        writer.add_tensor(f"blk.0.{name}.weight", random(HIDDEN, WIDTH))
    writer.add_tensor("blk.0.ffn_down.weight", random(WIDTH, HIDDEN))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
