#include <algorithm>
#include <cstring>
#include <unordered_set>

#include <ATen/ops/as_strided.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/weights.h"
#include "pickle.h"
#include "zip.h"

namespace emotion {
namespace {

using Kind = PickleValue::Kind;

at::ScalarType storage_type(const std::string& name, const std::string& where) {
  static const std::vector<std::pair<std::string, at::ScalarType>> types{
      {"torch.FloatStorage", at::kFloat},       {"torch.DoubleStorage", at::kDouble}, {"torch.HalfStorage", at::kHalf},
      {"torch.BFloat16Storage", at::kBFloat16}, {"torch.LongStorage", at::kLong},     {"torch.IntStorage", at::kInt},
      {"torch.ShortStorage", at::kShort},       {"torch.CharStorage", at::kChar},     {"torch.ByteStorage", at::kByte},
      {"torch.BoolStorage", at::kBool}};
  for (const auto& [known, type] : types) {
    if (known == name) return type;
  }
  throw WeightsError(fmt::format("{}: a storage of kind {} is not read", where, name));
}

/// Storages of a file, by key: one each however many tensors look at it.
class Storages {
 public:
  explicit Storages(std::string where) : where_(std::move(where)) {}

  /// ('storage', torch.FloatStorage, key, location, elements[, view]): the storage, or the view of it.
  PicklePtr refer(const PickleValue& id) {
    const auto& items = id.items;
    if (id.kind != Kind::kTuple || items.size() < 5 || items[1]->kind != Kind::kGlobal || items[2]->kind != Kind::kText ||
        items[4]->kind != Kind::kInt || items[4]->number < 0) {
      refuse();
    }
    auto& storage = storages_[items[2]->text];
    if (!storage) storage = make(items[2]->text, storage_type(items[1]->text, where_), items[4]->number);
    return items.size() > 5 && items[5]->kind != Kind::kNone ? view(storage, *items[5]) : storage;
  }

  PickleValue* find(const std::string& key) {
    const auto found = storages_.find(key);
    return found == storages_.end() ? nullptr : found->second.get();
  }

  /// Gives a storage its bytes, which must be exactly as many as it says.
  void fill(PickleValue& storage, std::string_view bytes) const {
    const auto size = static_cast<std::uint64_t>(at::elementSize(storage.type));
    if (static_cast<std::uint64_t>(storage.number) > bytes.size() / size ||
        static_cast<std::uint64_t>(storage.number) * size > bytes.size()) {
      throw WeightsError(fmt::format("{}: truncated: storage {} has {} bytes for {} elements", where_, storage.text, bytes.size(),
                                     storage.number));
    }
    storage.tensor = at::empty({storage.number}, storage.type);
    if (storage.number > 0) std::memcpy(storage.tensor.data_ptr(), bytes.data(), static_cast<std::size_t>(storage.number) * size);
  }

 private:
  [[noreturn]] void refuse() const { throw WeightsError(where_ + ": broken: a storage is not described as torch.save does"); }

  static PicklePtr make(const std::string& key, at::ScalarType type, std::int64_t elements) {
    auto storage = std::make_shared<PickleValue>();
    storage->kind = Kind::kStorage;
    storage->text = key;
    storage->type = type;
    storage->number = elements;
    return storage;
  }

  /// (key, offset, elements): a storage within another, as old releases kept those that share memory. Offsets of tensors count
  /// from where it begins.
  PicklePtr view(const PicklePtr& whole, const PickleValue& tuple) {
    const auto& items = tuple.items;
    if (tuple.kind != Kind::kTuple || items.size() != 3 || items[0]->kind != Kind::kText || items[1]->kind != Kind::kInt ||
        items[2]->kind != Kind::kInt) {
      refuse();
    }
    const std::int64_t begin = items[1]->number, elements = items[2]->number;
    if (begin < 0 || elements < 0 || begin > whole->number || elements > whole->number - begin) {
      throw WeightsError(fmt::format("{}: view {} reaches outside its storage of {} elements", where_,
                                     items[0]->text.substr(0, 60), whole->number));
    }
    auto& view = views_[items[0]->text];
    if (!view) {
      view = make(whole->text, whole->type, elements);
      view->begin = begin;
      view->items = {whole};
    }
    if (view->items[0] != whole || view->begin != begin || view->number != elements) refuse();
    return view;
  }

  std::string where_;
  std::map<std::string, PicklePtr> storages_, views_;
};

std::vector<std::int64_t> numbers(const PickleValue& tuple) {
  std::vector<std::int64_t> values;
  for (const auto& item : tuple.items) values.push_back(item->number);
  return values;
}

/// The tensors of a state_dict, or of the dictionary in it that is one.
class Collector {
 public:
  Collector(std::string where, std::uint64_t file_size)
      : where_(std::move(where)), most_(std::max(kMostCopies * file_size, kAlwaysRoom)), room_(most_) {}

  StateDict collect(const PickleValue& root) {
    const PickleValue* dict = find_state(root, 0);
    if (!dict) throw WeightsError(where_ + ": there is no state_dict in it: no dictionary of tensors");
    StateDict state;
    const bool prefixed = std::all_of(dict->fields.begin(), dict->fields.end(), [](const auto& field) {
      return field.second->kind != Kind::kTensor || field.first->text.starts_with("module.");
    });
    std::unordered_set<std::string> seen;
    for (const auto& [key, value] : dict->fields) {
      if (key->kind != Kind::kText || value->kind != Kind::kTensor) continue;
      const std::string name = prefixed ? key->text.substr(7) : key->text;
      if (!seen.insert(name).second) throw WeightsError(fmt::format("{}: tensor {} stands twice", where_, name));
      state.add(name, view(*value));
    }
    return state;
  }

 private:
  static bool has_tensor(const PickleValue& value) {
    return value.kind == Kind::kDict && std::any_of(value.fields.begin(), value.fields.end(),
                                                    [](const auto& field) { return field.second->kind == Kind::kTensor; });
  }

  /// What stands under one of the names that training scripts give it, else the dictionary itself: tensors beside such a name
  /// are what the script measured, not weights.
  static const PickleValue* find_state(const PickleValue& value, int depth) {
    if (value.kind != Kind::kDict || depth > 3) return nullptr;
    for (const char* name : {"state_dict", "model_state_dict", "model", "net", "network", "weights"}) {
      const auto field = std::find_if(value.fields.rbegin(), value.fields.rend(),
                                      [&](const auto& candidate) { return candidate.first->text == name; });
      if (field == value.fields.rend()) continue;  // of two equal keys Python keeps the last
      if (const PickleValue* found = find_state(*field->second, depth + 1)) return found;
    }
    return has_tensor(value) ? &value : nullptr;
  }

  at::Tensor view(const PickleValue& value) {
    const auto& parts = value.items[0]->items;  // storage, size, stride
    if (!parts[0]->tensor.defined())
      throw WeightsError(fmt::format("{}: truncated: storage {} is missing", where_, parts[0]->text));
    const at::Tensor view = parts[0]->tensor.as_strided(numbers(*parts[1]), numbers(*parts[2]), value.number);
    // Counted in elements: the bytes of a hostile size do not fit a number.
    if (static_cast<std::uint64_t>(view.numel()) > room_ / view.element_size()) {
      throw WeightsError(
          fmt::format("{}: refused: its tensors share so much that they would take more than the {} MB that a file "
                      "of its size may",
                      where_, most_ >> 20));
    }
    room_ -= view.nbytes();
    return view.clone(at::MemoryFormat::Contiguous);
  }

  static constexpr std::uint64_t kMostCopies = 8;         // of a weight that several layers share
  static constexpr std::uint64_t kAlwaysRoom = 32 << 20;  // a mask that is expanded takes many times its file
  std::string where_;
  std::uint64_t most_, room_;  // bytes that tensors may take, and may still take
};

StateDict read_zip(std::string_view bytes, const std::string& where) {
  const ZipArchive archive(bytes, where);
  // Everything lies in one folder, whose name is the file's or `archive`.
  const std::string first = archive.members().empty() ? "" : archive.members()[0].name;
  const std::string root = first.substr(0, first.find('/') + 1);
  const auto record = [&](const std::string& name) {
    const ZipMember* member = archive.find(root + name);
    if (member == nullptr) throw WeightsError(fmt::format("{}: truncated or not from torch.save: it has no {}", where, name));
    return archive.stored(*member);
  };
  if (archive.find(root + "constants.pkl") != nullptr) {
    throw WeightsError(where +
                       ": a TorchScript archive, code and weights in one; in Python, torch.save(torch.jit.load(..).state_dict(), "
                       "..) writes the weights alone");
  }
  if (archive.find(root + "byteorder") != nullptr && record("byteorder") != "little")
    throw WeightsError(where + ": written on a big-endian machine; not read");
  Storages storages(where);
  Unpickler unpickler(record("data.pkl"), where, [&](const PickleValue& id) {
    PicklePtr storage = storages.refer(id);
    PickleValue& whole = storage->items.empty() ? *storage : *storage->items[0];
    if (!whole.tensor.defined()) storages.fill(whole, record("data/" + whole.text));
    return storage;
  });
  return Collector(where, bytes.size()).collect(*unpickler.load());
}

/// torch.save before 1.6: five pickles (magic number, protocol, machine, the value, the keys of its storages), then each storage
/// as its number of elements and its bytes. A single pickle of a dictionary of NumPy's arrays is read too.
StateDict read_legacy(std::string_view bytes, const std::string& where) {
  Storages storages(where);
  Unpickler unpickler(bytes, where, [&](const PickleValue& id) { return storages.refer(id); });
  // A dictionary at once: a plain pickle, as detectron2 keeps weights made from Caffe's, arrays and all.
  const PicklePtr first = unpickler.load();
  if (first->kind == Kind::kDict) return Collector(where, bytes.size()).collect(*first);
  unpickler.load();  // the protocol
  const PicklePtr machine = unpickler.load();
  for (const auto& [key, value] : machine->fields) {
    if (key->text == "little_endian" && value->kind == Kind::kBool && value->number == 0)
      throw WeightsError(where + ": written on a big-endian machine; not read");
  }
  const PicklePtr root = unpickler.load(), keys = unpickler.load();
  if (keys->kind != Kind::kList) throw WeightsError(where + ": broken: the list of storages is missing");
  std::size_t at = unpickler.position();
  for (const auto& key : keys->items) {
    PickleValue* storage = key->kind == Kind::kText ? storages.find(key->text) : nullptr;
    std::int64_t count = 0;
    if (!storage || bytes.size() - at < 8) throw WeightsError(where + ": truncated: a storage is missing");
    std::memcpy(&count, bytes.data() + at, 8);
    at += 8;
    if (count != storage->number)
      throw WeightsError(
          fmt::format("{}: storage {} has {} elements, {} are wanted", where, storage->text, count, storage->number));
    storages.fill(*storage, bytes.substr(at));
    at += storage->tensor.nbytes();
  }
  return Collector(where, bytes.size()).collect(*root);
}

}  // namespace

StateDict read_pth(const std::filesystem::path& file) {
  const MappedFile map(file);
  if (map.text().starts_with("PK")) return read_zip(map.text(), file.string());
  if (map.bytes().size() > 2 && map.text()[0] == '\x80') return read_legacy(map.text(), file.string());
  throw WeightsError(file.string() + ": not a weights file: neither safetensors nor torch.save's forms");
}

StateDict read_weights(const std::filesystem::path& file) {
  {
    const MappedFile map(file);
    const auto text = map.text();
    // A safetensors header begins behind its 8-byte length.
    if (text.size() > 8 && text[8] == '{' && !text.starts_with("PK")) return read_safetensors(file);
    if (text.size() <= 8 || (!text.starts_with("PK") && text[0] != '\x80')) {
      throw WeightsError(file.string() + ": not a weights file: neither safetensors nor torch.save's forms");
    }
  }
  return read_pth(file);
}

}  // namespace emotion
