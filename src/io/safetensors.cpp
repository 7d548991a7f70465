#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <ostream>
#include <unordered_set>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/mapped_tensor.h"
#include "emotion/io/weights.h"

namespace emotion {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

using Json = nlohmann::json;

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the format's own limit
constexpr std::size_t kMostListed = 64;            // dimensions of a shape
constexpr std::size_t kMostNested = 8;

struct TypeName {
  const char* name;
  at::ScalarType type;
};
constexpr auto kTypes = std::to_array<TypeName>({{"F64", at::kDouble},
                                                 {"F32", at::kFloat},
                                                 {"F16", at::kHalf},
                                                 {"BF16", at::kBFloat16},
                                                 {"F8_E4M3", at::kFloat8_e4m3fn},
                                                 {"F8_E5M2", at::kFloat8_e5m2},
                                                 {"I64", at::kLong},
                                                 {"I32", at::kInt},
                                                 {"I16", at::kShort},
                                                 {"I8", at::kChar},
                                                 {"U64", at::kUInt64},
                                                 {"U32", at::kUInt32},
                                                 {"U16", at::kUInt16},
                                                 {"U8", at::kByte},
                                                 {"BOOL", at::kBool}});

/// What the header says of one tensor, checked against the file.
struct Slot {
  std::string name;
  at::ScalarType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin, end;  // bytes after the header
};

struct Header {
  std::vector<Slot> slots;
  std::map<std::string, std::string> metadata;
  std::uint64_t data_offset = 0;
};

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& text) {
  throw WeightsError(file.string() + ": " + text);
}

/// Looks at a header's JSON before any of it is kept. Of two equal keys a parser keeps one, and readers would disagree about the
/// file: they are an error here. `names` are the header's own keys in their order; the values are found by name afterwards, since
/// an object that keeps the order itself looks through all of its keys for each new one.
class HeaderCheck : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderCheck(const std::filesystem::path& file) : file_(file) {}
  std::vector<std::string> names;

  bool null() override { return count(); }
  bool boolean(bool /*value*/) override { return count(); }
  bool number_integer(number_integer_t /*value*/) override { return count(); }
  bool number_unsigned(number_unsigned_t /*value*/) override { return count(); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return count(); }
  bool string(string_t& /*value*/) override { return count(); }
  bool binary(binary_t& /*value*/) override { return count(); }
  bool key(string_t& name) override {
    if (!open_.back().insert(name).second) refuse(file_, fmt::format("the header names '{}' twice", name));
    if (depth_ == 1) names.push_back(name);
    listed_ = 0;  // a key begins a value of its own: only what stands in a list is counted on
    return true;
  }
  bool start_object(std::size_t /*size*/) override {
    open_.emplace_back();
    return enter();
  }
  bool end_object() override {
    open_.pop_back();
    return leave();
  }
  bool start_array(std::size_t /*size*/) override {
    listed_ = 0;
    return enter();
  }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/, const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

 private:
  bool count() {
    if (++listed_ > kMostListed) refuse(file_, fmt::format("the header holds a list of more than {} items", kMostListed));
    return true;
  }
  bool enter() {
    if (++depth_ > kMostNested) refuse(file_, "the header is nested too deeply for a safetensors file");
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }

  const std::filesystem::path& file_;
  std::vector<std::unordered_set<std::string>> open_;  // keys of the objects that are not at their end
  std::size_t depth_ = 0, listed_ = 0;                 // listed: of a list so far, a shape or the two offsets
};

struct ParsedHeader {
  Json json;
  std::vector<std::string> names;  // of its keys, in their order
};

ParsedHeader parse_header(std::string_view text, const std::filesystem::path& file) {
  HeaderCheck check(file);
  if (!Json::sax_parse(text, &check)) refuse(file, "not a safetensors file: the header is not valid JSON");
  return {Json::parse(text), std::move(check.names)};
}

Slot read_slot(const std::string& name, const Json& json, std::uint64_t data_size, const std::filesystem::path& file) {
  const auto bad = [&](const std::string& what) { refuse(file, fmt::format("tensor {}: {}", name, what)); };
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") || !json.contains("data_offsets")) {
    bad("dtype, shape and data_offsets are wanted");
  }
  Slot slot{name, at::kFloat, {}, 0, 0};
  const Json &dtype = json["dtype"], &shape = json["shape"], &offsets = json["data_offsets"];
  if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2)
    bad("dtype, shape or data_offsets is of the wrong kind");
  std::uint64_t elements = 1;
  for (const Json& length : shape) {
    if (!length.is_number_unsigned()) bad("a length of the shape is not a whole number");
    const auto n = length.get<std::uint64_t>();
    if (n > (std::uint64_t{1} << 40) || (n != 0 && elements > (std::uint64_t{1} << 48) / n))
      bad("the shape is larger than any file");
    elements *= n;
    slot.shape.push_back(static_cast<std::int64_t>(n));
  }
  if (slot.shape.size() > 64) bad("more than 64 dimensions");
  const auto name_of_type = dtype.get<std::string>();
  const auto found = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& type) { return name_of_type == type.name; });
  if (found == kTypes.end()) bad("dtype " + name_of_type.substr(0, 20) + " is not known");
  slot.type = found->type;
  if (!offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) bad("data_offsets are not whole numbers");
  slot.begin = offsets[0].get<std::uint64_t>();
  slot.end = offsets[1].get<std::uint64_t>();
  if (slot.begin > slot.end || slot.end > data_size) {
    bad(fmt::format("bytes {} to {} lie outside the file's {} bytes of data; the file may be truncated", slot.begin, slot.end,
                    data_size));
  }
  const std::uint64_t wanted = elements * at::elementSize(slot.type);
  if (slot.end - slot.begin != wanted)
    bad(fmt::format("its shape wants {} bytes, data_offsets give {}", wanted, slot.end - slot.begin));
  return slot;
}

Header read_header(std::span<const std::byte> bytes, const std::filesystem::path& file) {
  if (bytes.size() < 8) refuse(file, "not a safetensors file: shorter than 8 bytes");
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), 8);
  if (size > kMaxHeader || size > bytes.size() - 8) {
    refuse(file, fmt::format("not a safetensors file, or truncated: a header of {} bytes in a file of {}", size, bytes.size()));
  }
  const auto [json, names] = parse_header({reinterpret_cast<const char*>(bytes.data()) + 8, size}, file);
  if (!json.is_object()) refuse(file, "not a safetensors file: the header is not a JSON object");
  Header header;
  header.data_offset = 8 + size;
  const std::uint64_t data_size = bytes.size() - header.data_offset;
  for (const auto& name : names) {
    const Json& value = json[name];
    if (name != "__metadata__") {
      header.slots.push_back(read_slot(name, value, data_size, file));
      continue;
    }
    if (!value.is_object()) refuse(file, "__metadata__ is not an object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) refuse(file, fmt::format("__metadata__ {} is not text", key));
      header.metadata[key] = text.get<std::string>();
    }
  }
  std::vector<const Slot*> order;
  for (const Slot& slot : header.slots) order.push_back(&slot);
  std::sort(order.begin(), order.end(),
            [](const Slot* a, const Slot* b) { return std::tie(a->begin, a->end) < std::tie(b->begin, b->end); });
  std::uint64_t place = 0;
  for (const Slot* slot : order) {
    if (slot->begin < place) refuse(file, fmt::format("tensor {} overlaps another", slot->name));
    if (slot->begin > place)
      refuse(file, fmt::format("{} bytes before tensor {} belong to no tensor", slot->begin - place, slot->name));
    place = slot->end;
  }
  if (place != data_size) refuse(file, fmt::format("{} bytes at the end belong to no tensor", data_size - place));
  return header;
}

std::string type_text(at::ScalarType type, const std::string& name) {
  for (const auto& known : kTypes) {
    if (known.type == type) return known.name;
  }
  throw WeightsError(fmt::format("tensor {}: safetensors has no dtype {}", name, c10::toString(type)));
}

}  // namespace

const at::Tensor* StateDict::find(const std::string& name) const {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &found->tensor;
}

void StateDict::add(std::string name, at::Tensor tensor) { entries.push_back({std::move(name), std::move(tensor)}); }

StateDict read_safetensors(const std::filesystem::path& file) {
  const auto map = std::make_shared<MappedFile>(file);
  const auto bytes = map->bytes();
  const Header header = read_header(bytes, file);
  StateDict state;
  state.metadata = header.metadata;
  for (const Slot& slot : header.slots) {
    const auto options = at::TensorOptions().dtype(slot.type);
    const std::byte* place = bytes.data() + header.data_offset + slot.begin;
    if (slot.type == at::kBool &&
        std::any_of(place, place + (slot.end - slot.begin), [](std::byte b) { return b > std::byte{1}; })) {
      refuse(file, fmt::format("tensor {}: a BOOL is neither 0 nor 1", slot.name));
    }
    // A copy, not a view: the file may be replaced or truncated while the tensor lives, and its data may lie unaligned.
    at::Tensor tensor = at::empty(slot.shape, options);
    if (slot.end > slot.begin) std::memcpy(tensor.data_ptr(), place, slot.end - slot.begin);
    state.add(slot.name, std::move(tensor));
  }
  return state;
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& file) {
  const MappedFile map(file);
  return read_header(map.bytes(), file).metadata;
}

MappedTensor map_tensor(const std::filesystem::path& file, const std::string& name) {
  const auto map = std::make_shared<MappedFile>(file);
  const Header header = read_header(map->bytes(), file);
  const auto slot =
      std::find_if(header.slots.begin(), header.slots.end(), [&](const Slot& candidate) { return candidate.name == name; });
  if (slot == header.slots.end()) refuse(file, fmt::format("it has no tensor {}", name));
  const std::uint64_t offset = header.data_offset + slot->begin;
  if (slot->type != at::kFloat || offset % alignof(float) != 0) refuse(file, fmt::format("tensor {}: no aligned F32", name));
  // from_blob wants a pointer that could be written to; the pages themselves refuse it.
  void* place = const_cast<std::byte*>(map->bytes().data()) + offset;
  return {at::from_blob(
              place, slot->shape, [map](void*) {}, at::kFloat),
          header.metadata};
}

namespace {

/// A header as text, entry by entry in their order.
class HeaderText {
 public:
  void add(const std::string& name, const nlohmann::ordered_json& value) {
    text_ += fmt::format("{}{}:{}", text_.empty() ? '{' : ',', dump(name), dump(value));
  }
  /// Its size and itself, padded so that the tensors start aligned.
  void write(std::ostream& out) const {
    std::string header = (text_.empty() ? "{" : text_) + "}";
    header.append((8 - header.size() % 8) % 8, ' ');
    const std::uint64_t size = header.size();
    out.write(reinterpret_cast<const char*>(&size), 8);
    out.write(header.data(), static_cast<std::streamsize>(header.size()));
  }

 private:
  static std::string dump(const nlohmann::ordered_json& value) {
    return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
  std::string text_;
};

void write_data(std::ostream& out, const at::Tensor& tensor) {
  const at::Tensor dense = tensor.detach().cpu().contiguous();
  out.write(static_cast<const char*>(dense.const_data_ptr()), static_cast<std::streamsize>(dense.nbytes()));
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, const StateDict& state, FileSync sync) {
  HeaderText header;
  if (!state.metadata.empty()) header.add("__metadata__", state.metadata);
  std::unordered_set<std::string> names{"__metadata__"};
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : state.entries) {
    if (!names.insert(name).second) throw WeightsError(fmt::format("{}: tensor {} would be written twice", file.string(), name));
    const std::uint64_t size = static_cast<std::uint64_t>(tensor.numel()) * tensor.element_size();
    header.add(name, {{"dtype", type_text(tensor.scalar_type(), name)},
                      {"shape", tensor.sizes().vec()},
                      {"data_offsets", {offset, offset + size}}});
    offset += size;
  }
  const auto produce = [&](std::ostream& out) {
    header.write(out);
    for (const auto& entry : state.entries) write_data(out, entry.tensor);
  };
  write_file_atomically(file, produce, sync);
}

void write_tensor_rows(const std::filesystem::path& file, const std::string& name, const std::vector<std::int64_t>& shape,
                       const std::map<std::string, std::string>& metadata,
                       const std::function<void(const std::function<void(const at::Tensor&)>&)>& produce) {
  std::uint64_t wanted = sizeof(float), written = 0;
  for (const std::int64_t length : shape) wanted *= static_cast<std::uint64_t>(length);
  HeaderText header;
  header.add("__metadata__", metadata);
  header.add(name, {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {0, wanted}}});
  write_file_atomically(file, [&](std::ostream& out) {
    header.write(out);
    produce([&](const at::Tensor& rows) {
      write_data(out, rows.to(at::kFloat));
      written += static_cast<std::uint64_t>(rows.numel()) * sizeof(float);
    });
    if (written != wanted)
      throw RunError(fmt::format("{}: {} bytes of tensor {} were produced, {} are wanted", file.string(), written, name, wanted));
  });
}

}  // namespace emotion
