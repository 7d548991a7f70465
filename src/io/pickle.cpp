#include "pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <ATen/ops/as_strided.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "emotion/error.h"

namespace emotion {
namespace {

using Kind = PickleValue::Kind;

constexpr std::uint64_t kMaxSteps = 20'000'000;  // opcodes
constexpr std::size_t kMaxValues = 2'000'000;    // made, on the stack, in the memo

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
                                              "builtins.set",
                                              "__builtin__.set",
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
    : bytes_(bytes), where_(std::move(where)), load_storage_(std::move(load_storage)) {}

Unpickler::~Unpickler() {
  for (auto& value : values_) {
    value->items.clear();
    value->fields.clear();
  }
}

PicklePtr Unpickler::make(Kind kind) {
  if (values_.size() >= kMaxValues) refuse("too many values");
  auto value = std::make_shared<PickleValue>();
  value->kind = kind;
  values_.push_back(value);
  return value;
}

void Unpickler::refuse(const std::string& what) const {
  throw WeightsError(fmt::format("{}: {} (byte {} of its pickle)", where_, what, at_));
}

std::string_view Unpickler::take(std::uint64_t count) {
  if (count > bytes_.size() - at_) refuse("truncated");
  const std::string_view piece = bytes_.substr(at_, count);
  at_ += count;
  return piece;
}

std::uint64_t Unpickler::number(int bytes) {
  std::uint64_t value = 0;
  const std::string_view piece = take(static_cast<std::uint64_t>(bytes));
  for (std::size_t i = 0; i < piece.size(); ++i) value |= std::uint64_t{static_cast<unsigned char>(piece[i])} << 8 * i;
  return value;
}

std::string Unpickler::line() {
  const std::size_t end = bytes_.find('\n', at_);
  if (end == std::string_view::npos) refuse("truncated");
  std::string text(bytes_.substr(at_, end - at_));
  at_ = end + 1;
  return text;
}

PicklePtr Unpickler::pop() {
  if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back())) refuse("broken: a value is missing");
  PicklePtr value = std::move(stack_.back());
  stack_.pop_back();
  return value;
}

std::vector<PicklePtr> Unpickler::pop_to_mark() {
  if (marks_.empty()) refuse("broken: a mark is missing");
  std::vector<PicklePtr> values(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return values;
}

void Unpickler::push(PicklePtr value) {
  if (stack_.size() >= kMaxValues) refuse("too many values");
  stack_.push_back(std::move(value));
}

void Unpickler::push_text(Kind kind, std::string text) {
  auto value = make(kind);
  value->text = std::move(text);
  push(std::move(value));
}

void Unpickler::push_int(std::int64_t value) {
  auto made = make(Kind::kInt);
  made->number = value;
  push(std::move(made));
}

void Unpickler::push_global(const std::string& module, const std::string& name) {
  const std::string full = module + "." + name;
  if (!allowed(full)) refuse(fmt::format("refused: it wants to call {}; only state_dicts are read", full.substr(0, 100)));
  push_text(Kind::kGlobal, full);
}

void Unpickler::remember(std::uint64_t index) {
  if (stack_.empty()) refuse("broken: nothing to remember");
  if (memo_.size() >= kMaxValues) refuse("too many values");
  memo_[index] = stack_.back();
}

void Unpickler::recall(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) refuse("broken: a value that was not stored is read");
  push(found->second);
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
  // Overlapping views could make a small file into a huge tensor.
  if (offset < 0 || count > elements || (count > 0 && last >= elements))
    refuse(fmt::format("a tensor reaches outside its storage of {} elements", elements));
  auto value = make(Kind::kTensor);
  value->text = arguments[0]->text;
  value->number = offset;
  value->type = arguments[0]->type;
  // The legacy form reads storages behind the pickles: the view is made when they are there.
  auto shape = make(Kind::kTuple);
  shape->items = {arguments[0], arguments[2], arguments[3]};
  value->items = {shape};
  return value;
}

void Unpickler::reduce() {
  const PicklePtr arguments = pop(), callable = pop();
  if (callable->kind != Kind::kGlobal || arguments->kind != Kind::kTuple) refuse("broken: a call without a name or arguments");
  const std::string& name = callable->text;
  if (name == "torch._utils._rebuild_tensor" || name == "torch._utils._rebuild_tensor_v2")
    return push(rebuild_tensor(arguments->items));
  if (name.starts_with("torch._utils._rebuild_parameter")) {
    if (arguments->items.empty()) refuse("broken: a parameter without a tensor");
    return push(arguments->items[0]);
  }
  if (name == "collections.OrderedDict" || name == "builtins.dict" || name == "__builtin__.dict" ||
      name == "collections.defaultdict") {
    auto dict = make(Kind::kDict);
    if (name == "collections.OrderedDict" && !arguments->items.empty() && arguments->items[0]->kind == Kind::kList) {
      for (const auto& pair : arguments->items[0]->items) {
        if ((pair->kind == Kind::kTuple || pair->kind == Kind::kList) && pair->items.size() == 2)
          dict->fields.emplace_back(pair->items[0], pair->items[1]);
      }
    }
    return push(dict);
  }
  if (name == "torch.Size" && arguments->items.size() == 1 && arguments->items[0]->kind == Kind::kTuple)
    return push(arguments->items[0]);
  if (reduce_numpy(name, arguments->items)) return;
  push(make(Kind::kOpaque));  // a numpy number: not part of a state_dict's tensors
}

/// Attributes of an OrderedDict (_metadata) and the like are of no use.
void Unpickler::build() {
  const PicklePtr state = pop();
  if (stack_.empty()) refuse("broken: a value is missing");
  PickleValue& value = *stack_.back();
  if (value.kind == Kind::kOpaque && !value.text.empty()) build_numpy(value, *state);
}

bool Unpickler::step_container(unsigned char opcode) {
  switch (opcode) {
    case '}': push(make(Kind::kDict)); return true;
    case ']': push(make(Kind::kList)); return true;
    case ')': push(make(Kind::kTuple)); return true;
    case 0x8f: push(make(Kind::kOpaque)); return true;  // EMPTY_SET
    case 0x90: pop_to_mark(); return true;              // ADDITEMS
    case 0x91:
      pop_to_mark();
      push(make(Kind::kOpaque));
      return true;  // FROZENSET
    case 't':
    case 'l':
    case 'd': {
      auto value = make(opcode == 't' ? Kind::kTuple : opcode == 'l' ? Kind::kList : Kind::kDict);
      auto items = pop_to_mark();
      if (opcode != 'd') {
        value->items = std::move(items);
      } else {
        if (items.size() % 2) refuse("broken: a key without a value");
        for (std::size_t i = 0; i < items.size(); i += 2) value->fields.emplace_back(items[i], items[i + 1]);
      }
      push(value);
      return true;
    }
    case 0x85:
    case 0x86:
    case 0x87: {  // TUPLE1 .. 3
      auto value = make(Kind::kTuple);
      for (int i = 0; i <= opcode - 0x85; ++i) value->items.insert(value->items.begin(), pop());
      push(value);
      return true;
    }
    case 'a':
    case 'e': {
      const auto items = opcode == 'e' ? pop_to_mark() : std::vector<PicklePtr>{pop()};
      if (stack_.empty() || stack_.back()->kind != Kind::kList) refuse("broken: an item for no list");
      auto& list = stack_.back()->items;
      list.insert(list.end(), items.begin(), items.end());
      return true;
    }
    case 's':
    case 'u': {
      std::vector<PicklePtr> items;
      if (opcode == 'u') {
        items = pop_to_mark();
      } else {
        PicklePtr value = pop(), key = pop();
        items = {key, value};
      }
      if (stack_.empty() || (stack_.back()->kind != Kind::kDict && stack_.back()->kind != Kind::kOpaque) || items.size() % 2)
        refuse("broken: an item for no dictionary");
      for (std::size_t i = 0; i + 1 < items.size(); i += 2) stack_.back()->fields.emplace_back(items[i], items[i + 1]);
      return true;
    }
    default: return false;
  }
}

bool Unpickler::step() {
  const auto opcode = static_cast<unsigned char>(take(1)[0]);
  if (step_container(opcode)) return true;
  switch (opcode) {
    case '.': return false;
    case 0x80:
      if (number(1) > 5) refuse("a newer pickle protocol");
      break;
    case 0x95: number(8); break;  // FRAME
    case '(': marks_.push_back(stack_.size()); break;
    case '0': pop(); break;
    case '2': {
      PicklePtr top = pop();
      push(top);
      push(top);
      break;
    }
    case 'N': push(make(Kind::kNone)); break;
    case 0x88:
    case 0x89: {
      auto value = make(Kind::kBool);
      value->number = opcode == 0x88;
      push(value);
      break;
    }
    case 'J': push_int(static_cast<std::int32_t>(number(4))); break;
    case 'K': push_int(static_cast<std::int64_t>(number(1))); break;
    case 'M': push_int(static_cast<std::int64_t>(number(2))); break;
    case 0x8a: {  // LONG1: little-endian, two's complement
      const auto size = number(1);
      if (size > 8) {
        take(size);
        push(make(Kind::kOpaque));
        break;
      }  // legacy files begin with a magic number of 10 bytes
      std::uint64_t value = number(static_cast<int>(size));
      if (size > 0 && size < 8 && value >> (8 * size - 1)) value |= ~std::uint64_t{0} << 8 * size;
      push_int(static_cast<std::int64_t>(value));
      break;
    }
    case 'G': {
      const auto big = std::bit_cast<double>(__builtin_bswap64(number(8)));
      auto value = make(Kind::kFloat);
      value->real = big;
      push(value);
      break;
    }
    case 'X': push_text(Kind::kText, std::string(take(number(4)))); break;
    case 0x8c: push_text(Kind::kText, std::string(take(number(1)))); break;
    case 0x8d: push_text(Kind::kText, std::string(take(number(8)))); break;
    case 'U': push_text(Kind::kText, std::string(take(number(1)))); break;  // protocol 2's byte strings
    case 'T': push_text(Kind::kText, std::string(take(number(4)))); break;
    case 'C': push_text(Kind::kBytes, std::string(take(number(1)))); break;
    case 'B': push_text(Kind::kBytes, std::string(take(number(4)))); break;
    case 0x8e: push_text(Kind::kBytes, std::string(take(number(8)))); break;
    case 'q': remember(number(1)); break;
    case 'r': remember(number(4)); break;
    case 0x94: remember(memo_.size()); break;
    case 'h': recall(number(1)); break;
    case 'j': recall(number(4)); break;
    case 'c': {
      const std::string module = line();
      push_global(module, line());
      break;
    }
    case 0x93: {  // STACK_GLOBAL
      const PicklePtr name = pop(), module = pop();
      if (name->kind != Kind::kText || module->kind != Kind::kText) refuse("broken: a name that is not text");
      push_global(module->text, name->text);
      break;
    }
    case 'R': reduce(); break;
    case 0x81: reduce(); break;  // NEWOBJ: the same for the few classes allowed
    case 'b': build(); break;
    case 'Q': push(load_storage_(*pop())); break;
    default: refuse(fmt::format("opcode 0x{:02x} is not part of a state_dict", opcode));
  }
  return true;
}

PicklePtr Unpickler::load() {
  stack_.clear();
  marks_.clear();
  memo_.clear();
  do {
    if (++steps_ > kMaxSteps) refuse("more than 20 million steps");
  } while (step());
  return pop();
}

}  // namespace emotion
