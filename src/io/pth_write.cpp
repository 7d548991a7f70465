// torch.save's zip form: uncompressed records at multiples of 64 bytes (caffe2's writer, LibTorch's own) and a pickle that
// rebuilds an OrderedDict of tensors, as torch.load(weights_only=True) accepts it.
#include <limits>
#include <ostream>
#include <unordered_set>

#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/weights.h"

namespace emotion {
namespace {

/// Writes the few opcodes of protocol 2 that a state_dict takes.
class Pickler {
 public:
  Pickler() { text_ = "\x80\x02"; }
  void opcode(char code) { text_ += code; }
  void global(std::string_view module, std::string_view name) { text_ += fmt::format("c{}\n{}\n", module, name); }
  void text(std::string_view value) {
    text_ += 'X';
    little(value.size(), 4);
    text_ += value;
  }
  void integer(std::int64_t value) {
    if (value >= 0 && value <= std::numeric_limits<std::int32_t>::max()) {
      text_ += 'J';
      little(static_cast<std::uint64_t>(value), 4);
    } else {
      text_ += "\x8a\x08";
      little(static_cast<std::uint64_t>(value), 8);
    }
  }
  void tuple(at::IntArrayRef values) {
    text_ += '(';
    for (const std::int64_t value : values) integer(value);
    text_ += 't';
  }
  const std::string& bytes() const { return text_; }

 private:
  void little(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text_ += static_cast<char>(value >> 8 * i & 0xff);
  }
  std::string text_;
};

const char* storage_name(at::ScalarType type, const std::string& tensor) {
  switch (type) {
    case at::kFloat: return "FloatStorage";
    case at::kDouble: return "DoubleStorage";
    case at::kHalf: return "HalfStorage";
    case at::kBFloat16: return "BFloat16Storage";
    case at::kLong: return "LongStorage";
    case at::kInt: return "IntStorage";
    case at::kShort: return "ShortStorage";
    case at::kChar: return "CharStorage";
    case at::kByte: return "ByteStorage";
    case at::kBool: return "BoolStorage";
    default: throw WeightsError(fmt::format("tensor {}: dtype {} is not written", tensor, c10::toString(type)));
  }
}

/// torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
void write_tensor(Pickler& pickle, const std::string& name, const at::Tensor& tensor, std::size_t key) {
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.opcode('(');
  pickle.opcode('(');
  pickle.text("storage");
  pickle.global("torch", storage_name(tensor.scalar_type(), name));
  pickle.text(std::to_string(key));
  pickle.text("cpu");
  pickle.integer(tensor.numel());
  pickle.opcode('t');
  pickle.opcode('Q');
  pickle.integer(0);
  pickle.tuple(tensor.sizes());
  pickle.tuple(tensor.strides());
  pickle.opcode('\x89');
  pickle.global("collections", "OrderedDict");
  pickle.opcode(')');
  pickle.opcode('R');
  pickle.opcode('t');
  pickle.opcode('R');
}

}  // namespace

void write_pth(const std::filesystem::path& file, const StateDict& state) {
  Pickler pickle;
  pickle.global("collections", "OrderedDict");
  pickle.opcode(')');
  pickle.opcode('R');
  pickle.opcode('(');
  std::unordered_set<std::string> names;
  std::vector<at::Tensor> dense;
  for (const auto& [name, tensor] : state.entries) {
    if (!names.insert(name).second) throw WeightsError(fmt::format("{}: tensor {} would be written twice", file.string(), name));
    dense.push_back(tensor.detach().cpu().contiguous());
    pickle.text(name);
    write_tensor(pickle, name, dense.back(), dense.size() - 1);
  }
  pickle.opcode('u');
  pickle.opcode('.');
  write_file_atomically(file, [&](std::ostream& out) {
    // The writer is never told of a failure: it would throw, and its destructor, which writes the end, again. The stream keeps
    // the failure, writes nothing more, and write_file_atomically says why.
    caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, std::size_t size) {
      out.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
      return size;
    });
    writer.writeRecord("data.pkl", pickle.bytes().data(), pickle.bytes().size());
    writer.writeRecord("byteorder", "little", 6);
    for (std::size_t i = 0; i < dense.size() && out; ++i)
      writer.writeRecord(fmt::format("data/{}", i), dense[i].numel() > 0 ? dense[i].const_data_ptr() : "", dense[i].nbytes());
    writer.writeEndOfFile();
  });
}

}  // namespace emotion
