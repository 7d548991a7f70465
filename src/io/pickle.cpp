#include "pickle.h"

#include <algorithm>

#include <fmt/format.h>

#include "emotion/error.h"

namespace emotion {
namespace {

using Kind = PickleValue::Kind;

constexpr std::uint64_t kMaxSteps = 20'000'000;  // opcodes
constexpr std::size_t kMaxValues = 1'000'000;    // of some 200 bytes each

/// What a state_dict is built from. Nothing here does anything but hold values.
bool allowed(const std::string& name) {
  static const std::vector<std::string> names{"collections.OrderedDict",
                                              "collections.defaultdict",
                                              "torch._utils._rebuild_tensor",
                                              "torch._utils._rebuild_tensor_v2",
                                              "torch._utils._rebuild_parameter",
                                              "torch._utils._rebuild_parameter_with_state",
                                              "torch.Size",
                                              "torch.serialization._get_layout",
                                              "torch.device",
                                              "torch.storage.UntypedStorage",
                                              "torch.storage.TypedStorage",
                                              "torch.storage._TypedStorage",
                                              "numpy.core.multiarray.scalar",
                                              "numpy._core.multiarray.scalar",
                                              "numpy.core.multiarray._reconstruct",
                                              "numpy._core.multiarray._reconstruct",
                                              "numpy.ndarray",
                                              "numpy.dtype",
                                              "_codecs.encode",
                                              "collections.Counter",
                                              "builtins.set",
                                              "__builtin__.set",
                                              "builtins.frozenset",
                                              "__builtin__.frozenset",
                                              "builtins.list",
                                              "__builtin__.list",
                                              "builtins.tuple",
                                              "__builtin__.tuple",
                                              "builtins.bytearray",
                                              "__builtin__.bytearray",
                                              "builtins.complex",
                                              "__builtin__.complex",
                                              "builtins.dict",
                                              "__builtin__.dict",
                                              "builtins.int",
                                              "builtins.float",
                                              "argparse.Namespace"};
  if (std::find(names.begin(), names.end(), name) != names.end()) return true;
  const bool plain = name.starts_with("torch.") && name.find('.', 6) == std::string::npos;
  if (plain && name.ends_with("Storage")) return true;  // torch.FloatStorage ..
  static const std::vector<std::string> types{"torch.float32", "torch.float64", "torch.float16", "torch.bfloat16", "torch.int64",
                                              "torch.int32",   "torch.int16",   "torch.int8",    "torch.uint8",    "torch.bool"};
  return std::find(types.begin(), types.end(), name) != types.end();
}

bool is_int(const PicklePtr& value) { return value->kind == Kind::kInt; }

}  // namespace

Unpickler::Unpickler(std::string_view bytes, std::string where, std::function<PicklePtr(const PickleValue&)> load_storage)
    : PickleMachine(bytes, "a state_dict", {.steps = kMaxSteps, .persistent_ids = true}),
      where_(std::move(where)),
      load_storage_(std::move(load_storage)) {}

Unpickler::~Unpickler() {
  for (auto& value : values_) {
    value->items.clear();
    value->fields.clear();
  }
}

void Unpickler::fail(const std::string& what) const {
  throw WeightsError(fmt::format("{}: {} (byte {} of its pickle)", where_, what, position()));
}

PicklePtr Unpickler::make(Kind kind) {
  if (values_.size() >= kMaxValues) refuse("too many values");
  auto value = std::make_shared<PickleValue>();
  value->kind = kind;
  values_.push_back(value);
  return value;
}

PicklePtr Unpickler::make_int(Kind kind, std::int64_t value) {
  auto made = make(kind);
  made->number = value;
  return made;
}

PicklePtr Unpickler::make_text(Kind kind, std::string text) {
  auto made = make(kind);
  made->text = std::move(text);
  return made;
}

/// Legacy files begin with a magic number of 10 bytes.
PicklePtr Unpickler::wide_integer(std::uint64_t size) {
  take(size);
  return make(Kind::kOpaque);
}

PicklePtr Unpickler::real(double value) {
  auto made = make(Kind::kFloat);
  made->real = value;
  return made;
}

PicklePtr Unpickler::container(Container kind, std::vector<PicklePtr> items) {
  switch (kind) {
    case Container::kSet: return make(Kind::kOpaque);
    case Container::kDict: {
      auto dict = make(Kind::kDict);
      set_items(dict, std::move(items));
      return dict;
    }
    default: {
      auto list = make(kind == Container::kTuple ? Kind::kTuple : Kind::kList);
      list->items = std::move(items);
      return list;
    }
  }
}

void Unpickler::append(const PicklePtr& list, std::vector<PicklePtr> items) {
  if (list->kind == Kind::kOpaque) return;  // a set
  if (list->kind != Kind::kList) refuse("broken: an item for no list");
  list->items.insert(list->items.end(), items.begin(), items.end());
}

void Unpickler::set_items(const PicklePtr& dict, std::vector<PicklePtr> items) {
  if (dict->kind != Kind::kDict && dict->kind != Kind::kOpaque) refuse("broken: an item for no dictionary");
  for (std::size_t i = 0; i < items.size(); i += 2) dict->fields.emplace_back(items[i], items[i + 1]);
}

std::string_view Unpickler::name_of(const PicklePtr& value) {
  if (value->kind != Kind::kText) refuse("broken: a name that is not text");
  return value->text;
}

PicklePtr Unpickler::global(std::string_view module, std::string_view name) {
  // Longer than any name that is allowed: the line tells enough of it.
  const std::string full = fmt::format("{}.{}", module.substr(0, 100), name.substr(0, 100));
  if (!allowed(full)) refuse(fmt::format("refused: it wants to call {}; only state_dicts are read", full.substr(0, 100)));
  return make_text(Kind::kGlobal, full);
}

/// A tensor over a storage: (storage, offset, size, stride, ..).
PicklePtr Unpickler::rebuild_tensor(const std::vector<PicklePtr>& arguments) {
  const bool shaped = arguments.size() >= 4 && arguments[0]->kind == Kind::kStorage && is_int(arguments[1]) &&
                      arguments[2]->kind == Kind::kTuple && arguments[3]->kind == Kind::kTuple &&
                      arguments[2]->items.size() == arguments[3]->items.size() && arguments[2]->items.size() <= 64;
  if (!shaped) refuse("broken: a tensor is not made of storage, offset, size and stride");
  std::vector<std::int64_t> sizes, strides;
  const std::int64_t offset = arguments[1]->number, elements = arguments[0]->number;
  std::int64_t last = offset, count = 1;
  for (std::size_t d = 0; d < arguments[2]->items.size(); ++d) {
    if (!is_int(arguments[2]->items[d]) || !is_int(arguments[3]->items[d]))
      refuse("broken: a tensor's size or stride is not a number");
    const std::int64_t size = arguments[2]->items[d]->number, stride = arguments[3]->items[d]->number;
    std::int64_t reach = 0;
    if (size < 0 || stride < 0 || __builtin_mul_overflow(count, size, &count) ||
        (size > 0 && __builtin_mul_overflow(size - 1, stride, &reach)) || __builtin_add_overflow(last, reach, &last)) {
      refuse("a tensor's size or stride is absurd");
    }
    sizes.push_back(size);
    strides.push_back(stride);
  }
  // An expanded tensor has more elements than its storage; what all of them may take is counted when they are made.
  if (offset < 0 || (count > 0 && last >= elements))
    refuse(fmt::format("a tensor reaches outside its storage of {} elements", elements));
  const PickleValue& storage = *arguments[0];
  auto value = make(Kind::kTensor);
  value->text = storage.text;
  value->number = storage.begin + offset;
  value->type = storage.type;
  // The legacy form reads storages behind the pickles: the view is made when they are there.
  auto shape = make(Kind::kTuple);
  shape->items = {storage.items.empty() ? arguments[0] : storage.items[0], arguments[2], arguments[3]};
  value->items = {shape};
  return value;
}

PicklePtr Unpickler::call(const PicklePtr& callable, const PicklePtr& arguments) {
  if (callable->kind != Kind::kGlobal || arguments->kind != Kind::kTuple) refuse("broken: a call without a name or arguments");
  const std::string& name = callable->text;
  const auto& items = arguments->items;
  if (name == "torch._utils._rebuild_tensor" || name == "torch._utils._rebuild_tensor_v2") return rebuild_tensor(items);
  if (name.starts_with("torch._utils._rebuild_parameter")) {
    if (items.empty()) refuse("broken: a parameter without a tensor");
    return items[0];
  }
  if (name == "collections.OrderedDict" || name == "builtins.dict" || name == "__builtin__.dict" ||
      name == "collections.defaultdict") {
    auto dict = make(Kind::kDict);
    if (name != "collections.OrderedDict" || items.empty() || items[0]->kind != Kind::kList) return dict;
    count_copied(items[0]->items.size());
    for (const auto& pair : items[0]->items) {
      if ((pair->kind == Kind::kTuple || pair->kind == Kind::kList) && pair->items.size() == 2)
        dict->fields.emplace_back(pair->items[0], pair->items[1]);
    }
    return dict;
  }
  if (name == "torch.Size" && items.size() == 1 && items[0]->kind == Kind::kTuple) return items[0];
  if (auto made = call_numpy(name, items)) return made;
  return make(Kind::kOpaque);  // a numpy number, a scheduler's Counter: not part of a state_dict's tensors
}

/// Attributes of an OrderedDict (_metadata) and the like are of no use.
void Unpickler::build(const PicklePtr& object, const PicklePtr& state) {
  if (object->kind == Kind::kOpaque && !object->text.empty()) build_numpy(*object, *state);
}

}  // namespace emotion
