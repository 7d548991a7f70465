#include "emotion/io/plain_pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "emotion/error.h"

namespace emotion {
namespace {

enum Tag : std::uint64_t { kTagNone, kTagBool, kTagInt, kTagWide, kTagReal, kTagText, kTagBytes, kTagContainer, kTagGlobal };

constexpr int kTagBits = 4;
constexpr std::uint64_t kUnset = ~std::uint64_t{0};  // no tag is 15
constexpr std::size_t kMostArguments = 16;
constexpr std::int64_t kSmall = std::int64_t{1} << (63 - kTagBits);

constexpr std::uint64_t make_node(std::uint64_t tag, std::uint64_t payload) { return payload << kTagBits | tag; }
constexpr std::uint64_t tag_of(std::uint64_t node) { return node & ((1U << kTagBits) - 1); }
constexpr std::uint64_t payload_of(std::uint64_t node) { return node >> kTagBits; }

/// What plain data and numpy arrays are written with. None is ever called: call() below makes the value itself.
constexpr std::array<std::string_view, 19> kGlobals{"collections.OrderedDict",
                                                    "collections.defaultdict",
                                                    "builtins.dict",
                                                    "__builtin__.dict",
                                                    "builtins.list",
                                                    "__builtin__.list",
                                                    "builtins.set",
                                                    "__builtin__.set",
                                                    "builtins.int",
                                                    "__builtin__.int",
                                                    "_codecs.encode",
                                                    "numpy.core.multiarray._reconstruct",
                                                    "numpy._core.multiarray._reconstruct",
                                                    "numpy.core.multiarray.scalar",
                                                    "numpy._core.multiarray.scalar",
                                                    "numpy.core.numeric._frombuffer",
                                                    "numpy._core.numeric._frombuffer",
                                                    "numpy.ndarray",
                                                    "numpy.dtype"};

/// UTF-8 text of code points below 256 as bytes, as Python 3 writes bytes in protocol 2. False for other text.
bool to_latin1(std::string_view text, std::string& bytes) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      bytes += text[i];
    } else if ((c == 0xc2 || c == 0xc3) && i + 1 < text.size()) {
      bytes += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

PlainPickle::Kind PlainPickle::Value::kind() const {
  switch (tag_of(bits_)) {
    case kTagNone: return Kind::kNone;
    case kTagBool: return Kind::kBool;
    case kTagInt:
    case kTagWide: return Kind::kInt;
    case kTagReal: return Kind::kFloat;
    case kTagText: return Kind::kText;
    case kTagBytes: return Kind::kBytes;
    case kTagContainer: return pickle_->containers_[payload_of(bits_)].kind;
    default: return Kind::kOther;
  }
}

std::int64_t PlainPickle::Value::integer() const {
  switch (tag_of(bits_)) {
    case kTagBool: return static_cast<std::int64_t>(payload_of(bits_));
    case kTagInt: return static_cast<std::int64_t>(bits_) >> kTagBits;  // keeps the sign
    case kTagWide: return pickle_->numbers_[payload_of(bits_)];
    default: return 0;
  }
}

double PlainPickle::Value::real() const {
  return tag_of(bits_) == kTagReal ? pickle_->reals_[payload_of(bits_)] : static_cast<double>(integer());
}

std::string_view PlainPickle::Value::text() const {
  const auto tag = tag_of(bits_);
  return tag == kTagText || tag == kTagBytes ? pickle_->texts_[payload_of(bits_)] : std::string_view();
}

std::size_t PlainPickle::Value::size() const {
  if (tag_of(bits_) != kTagContainer) return 0;
  const Container& c = pickle_->containers_[payload_of(bits_)];
  return c.kind == Kind::kDict ? c.items.size() / 2 : c.items.size();
}

PlainPickle::Value PlainPickle::Value::operator[](std::size_t i) const {
  const Container& c = pickle_->containers_[payload_of(bits_)];
  return {pickle_, c.kind == Kind::kDict ? c.items[2 * i + 1] : c.items[i]};
}

PlainPickle::Value PlainPickle::Value::key(std::size_t i) const {
  return {pickle_, pickle_->containers_[payload_of(bits_)].items[2 * i]};
}

std::optional<PlainPickle::Value> PlainPickle::Value::find(std::string_view name) const {
  for (std::size_t i = is_dict() ? size() : 0; i-- > 0;) {
    if (key(i).is_text() && key(i).text() == name) return (*this)[i];
  }
  return std::nullopt;
}

std::string_view PlainPickle::Value::array_type() const { return kind() == Kind::kArray && size() == 3 ? (*this)[0].text() : ""; }

std::vector<std::int64_t> PlainPickle::Value::array_shape() const {
  std::vector<std::int64_t> shape;
  if (kind() == Kind::kArray && size() == 3) {
    const Value lengths = (*this)[1];
    for (std::size_t i = 0; i < lengths.size(); ++i) shape.push_back(lengths[i].integer());
  }
  return shape;
}

std::string_view PlainPickle::Value::array_bytes() const {
  return kind() == Kind::kArray && size() == 3 ? (*this)[2].text() : "";
}

PlainPickle::PlainPickle(std::string_view bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {
  if (bytes_.size() < 2 || bytes_[0] != '\x80') refuse("not a pickle of protocol 2 or later");
  while (step()) {
  }
  root_ = pop();
  stack_ = {};
  memo_ = {};
}

void PlainPickle::refuse(const std::string& what) const { throw DataError(fmt::format("{}: {} (byte {})", where_, what, at_)); }

std::string_view PlainPickle::take(std::uint64_t count) {
  if (count > bytes_.size() - at_) refuse("truncated");
  const std::string_view piece = bytes_.substr(at_, count);
  at_ += count;
  return piece;
}

std::uint64_t PlainPickle::number(int bytes) {
  std::uint64_t value = 0;
  const std::string_view piece = take(static_cast<std::uint64_t>(bytes));
  for (std::size_t i = 0; i < piece.size(); ++i) value |= std::uint64_t{static_cast<unsigned char>(piece[i])} << 8 * i;
  return value;
}

std::string_view PlainPickle::line() {
  const std::size_t end = bytes_.find('\n', at_);
  if (end == std::string_view::npos) refuse("truncated");
  const std::string_view text = bytes_.substr(at_, end - at_);
  at_ = end + 1;
  return text;
}

PlainPickle::Node PlainPickle::pop() {
  if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back())) refuse("broken: a value is missing");
  const Node node = stack_.back();
  stack_.pop_back();
  return node;
}

std::vector<PlainPickle::Node> PlainPickle::pop_to_mark() {
  if (marks_.empty() || marks_.back() > stack_.size()) refuse("broken: a mark is missing");
  std::vector<Node> nodes(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return nodes;
}

PlainPickle::Node PlainPickle::container(Kind kind, std::vector<Node> items) {
  containers_.push_back({kind, std::move(items)});
  return make_node(kTagContainer, containers_.size() - 1);
}

PlainPickle::Node PlainPickle::text(Node tag, std::string_view view) {
  texts_.push_back(view);
  return make_node(tag, texts_.size() - 1);
}

PlainPickle::Node PlainPickle::integer(std::int64_t value) {
  if (value >= -kSmall && value < kSmall) return make_node(kTagInt, static_cast<std::uint64_t>(value));
  numbers_.push_back(value);
  return make_node(kTagWide, numbers_.size() - 1);
}

PlainPickle::Node PlainPickle::real(double value) {
  reals_.push_back(value);
  return make_node(kTagReal, reals_.size() - 1);
}

PlainPickle::Container& PlainPickle::top_container(Kind kind) {
  if (stack_.empty() || tag_of(stack_.back()) != kTagContainer || containers_[payload_of(stack_.back())].kind != kind)
    refuse(kind == Kind::kDict ? "broken: an item for no dictionary" : "broken: an item for no list");
  return containers_[payload_of(stack_.back())];
}

void PlainPickle::memoize(std::uint64_t index) {
  if (stack_.empty()) refuse("broken: nothing to remember");
  if (index >= bytes_.size()) refuse("broken: a place in the memo beyond the file's length");
  if (index >= memo_.size()) memo_.resize(index + 1, kUnset);
  memo_[index] = stack_.back();
}

/// One text or list may be copied again and again by a few bytes: all copies together stay below the file's size.
void PlainPickle::count_copied(std::size_t size) {
  copied_ += size;
  if (copied_ > bytes_.size()) refuse("refused: it copies more than it holds");
}

void PlainPickle::push_global(std::string_view module, std::string_view name) {
  const std::string full = fmt::format("{}.{}", module.substr(0, 100), name.substr(0, 100));
  const auto found = std::find(kGlobals.begin(), kGlobals.end(), full);
  if (found == kGlobals.end()) refuse(fmt::format("refused: it wants to call {}; only plain data are read", full));
  stack_.push_back(make_node(kTagGlobal, static_cast<std::uint64_t>(found - kGlobals.begin())));
}

/// numpy.core.multiarray.scalar(dtype, bytes)
PlainPickle::Node PlainPickle::scalar(const std::vector<Node>& arguments) {
  if (arguments.size() != 2 || value(arguments[0]).size() == 0) refuse("broken: a numpy number without type or bytes");
  const std::string_view type = value(arguments[0])[0].text(), data = value(arguments[1]).text();
  const auto copy = [&]<class T>(T) {
    T number{};
    if (data.size() != sizeof number) refuse("broken: a numpy number of another size than its type");
    std::memcpy(&number, data.data(), sizeof number);
    return number;
  };
  if (type == "f8") return real(copy(double{}));
  if (type == "f4") return real(copy(float{}));
  if (type == "i8") return integer(copy(std::int64_t{}));
  if (type == "i4") return integer(copy(std::int32_t{}));
  if (type == "i2") return integer(copy(std::int16_t{}));
  if (type == "u1" || type == "b1") return integer(copy(std::uint8_t{}));
  refuse(fmt::format("numpy numbers of type {} are not read", type.substr(0, 20)));
}

PlainPickle::Node PlainPickle::call(std::string_view name, const std::vector<Node>& arguments) {
  if (name.ends_with("._reconstruct")) return container(Kind::kArray);
  if (name.ends_with(".scalar")) return scalar(arguments);
  if (name == "numpy.dtype") {
    if (arguments.empty() || !value(arguments[0]).is_text()) refuse("broken: a numpy type without a name");
    return container(Kind::kOther, {arguments[0]});
  }
  if (name.ends_with("._frombuffer")) {  // bytes, dtype, shape, order
    if (arguments.size() != 4 || value(arguments[3]).text() != "C" || value(arguments[1]).size() == 0)
      refuse("a numpy array that is not in C order");
    return container(Kind::kArray, {containers_[payload_of(arguments[1])].items[0], arguments[2], arguments[0]});
  }
  if (name == "_codecs.encode") {
    std::string bytes;
    if (!arguments.empty()) count_copied(value(arguments[0]).text().size());
    if (arguments.empty() || !to_latin1(value(arguments[0]).text(), bytes))
      refuse("broken: bytes that are not written as latin1");
    return text(kTagBytes, owned_.emplace_back(std::move(bytes)));
  }
  if (name.ends_with(".int")) return arguments.empty() ? integer(0) : integer(value(arguments[0]).integer());
  if (name.ends_with(".set") || name.ends_with(".list")) {
    return !arguments.empty() && value(arguments[0]).is_list() ? arguments[0] : container(Kind::kList);
  }
  if (name == "numpy.ndarray") refuse("broken: an array that is made without numpy's own function");
  std::vector<Node> pairs;  // a dictionary, perhaps of a list of pairs
  const Value list = value(arguments.empty() ? make_node(kTagNone, 0) : arguments[0]);
  if (list.is_list()) count_copied(list.size());
  for (std::size_t i = 0; list.is_list() && i < list.size(); ++i) {
    if (!list[i].is_list() || list[i].size() != 2) refuse("broken: a dictionary is not made of pairs");
    pairs.push_back(list[i][0].bits_);
    pairs.push_back(list[i][1].bits_);
  }
  return container(Kind::kDict, std::move(pairs));
}

void PlainPickle::reduce() {
  const Node arguments = pop(), callable = pop();
  if (tag_of(callable) != kTagGlobal || value(arguments).kind() != Kind::kTuple)
    refuse("broken: a call without a name or arguments");
  if (value(arguments).size() > kMostArguments) refuse("broken: a call with too many arguments");
  const auto items = containers_[payload_of(arguments)].items;
  stack_.push_back(call(kGlobals[payload_of(callable)], items));
}

/// The state of an array, of its type, or of a dictionary (which has nothing to say).
void PlainPickle::build() {
  const Node state = pop();
  if (stack_.empty() || tag_of(stack_.back()) != kTagContainer) refuse("broken: a state for no object");
  const std::uint64_t index = payload_of(stack_.back());
  const Value parts = value(state);
  if (containers_[index].kind == Kind::kOther) {  // (version, byte order, ..)
    if (parts.size() < 2 || parts[1].text() == ">") refuse("numpy data of another byte order");
    return;
  }
  if (containers_[index].kind != Kind::kArray) return;
  if (parts.size() != 5 || parts[1].kind() != Kind::kTuple || parts[2].kind() != Kind::kOther || parts[2].size() == 0 ||
      parts[3].integer() != 0 || (parts[4].kind() != Kind::kBytes && parts[4].kind() != Kind::kText)) {
    refuse("a numpy array that is not plain numbers in C order");
  }
  containers_[index].items = {parts[2][0].bits_, parts[1].bits_, parts[4].bits_};
}

bool PlainPickle::step_value(unsigned char opcode) {
  switch (opcode) {
    case 'N': stack_.push_back(make_node(kTagNone, 0)); return true;
    case 0x88:
    case 0x89: stack_.push_back(make_node(kTagBool, opcode == 0x88)); return true;
    case 'J': stack_.push_back(integer(static_cast<std::int32_t>(number(4)))); return true;
    case 'K': stack_.push_back(integer(static_cast<std::int64_t>(number(1)))); return true;
    case 'M': stack_.push_back(integer(static_cast<std::int64_t>(number(2)))); return true;
    case 0x8a: {  // LONG1: little-endian, two's complement
      const auto size = number(1);
      if (size > 8) refuse("an integer of more than 64 bits");
      std::uint64_t bits = number(static_cast<int>(size));
      if (size > 0 && size < 8 && bits >> (8 * size - 1)) bits |= ~std::uint64_t{0} << 8 * size;
      stack_.push_back(integer(static_cast<std::int64_t>(bits)));
      return true;
    }
    case 'G': stack_.push_back(real(std::bit_cast<double>(__builtin_bswap64(number(8))))); return true;
    case 'X':
    case 'T': stack_.push_back(text(kTagText, take(number(4)))); return true;
    case 0x8c:
    case 'U': stack_.push_back(text(kTagText, take(number(1)))); return true;
    case 0x8d: stack_.push_back(text(kTagText, take(number(8)))); return true;
    case 'C': stack_.push_back(text(kTagBytes, take(number(1)))); return true;
    case 'B': stack_.push_back(text(kTagBytes, take(number(4)))); return true;
    case 0x8e:
    case 0x96: stack_.push_back(text(kTagBytes, take(number(8)))); return true;
    default: return false;
  }
}

bool PlainPickle::step_container(unsigned char opcode) {
  switch (opcode) {
    case '}': stack_.push_back(container(Kind::kDict)); return true;
    case ']':
    case 0x8f: stack_.push_back(container(Kind::kList)); return true;  // a set is read as a list
    case ')': stack_.push_back(container(Kind::kTuple)); return true;
    case 't': stack_.push_back(container(Kind::kTuple, pop_to_mark())); return true;
    case 'l':
    case 0x91: stack_.push_back(container(Kind::kList, pop_to_mark())); return true;
    case 'd':
    case 'u': {
      auto items = pop_to_mark();
      if (items.size() % 2 != 0) refuse("broken: a key without a value");
      if (opcode == 'd') stack_.push_back(container(Kind::kDict));
      auto& dict = top_container(Kind::kDict).items;
      dict.insert(dict.end(), items.begin(), items.end());
      return true;
    }
    case 0x85:
    case 0x86:
    case 0x87: {
      std::vector<Node> items(static_cast<std::size_t>(opcode - 0x84));
      for (std::size_t i = items.size(); i-- > 0;) items[i] = pop();
      stack_.push_back(container(Kind::kTuple, std::move(items)));
      return true;
    }
    case 'a': {
      const Node item = pop();
      top_container(Kind::kList).items.push_back(item);
      return true;
    }
    case 'e':
    case 0x90: {
      const auto items = pop_to_mark();
      auto& list = top_container(Kind::kList).items;
      list.insert(list.end(), items.begin(), items.end());
      return true;
    }
    case 's': {
      const Node item = pop(), key = pop();
      auto& dict = top_container(Kind::kDict).items;
      dict.push_back(key);
      dict.push_back(item);
      return true;
    }
    default: return false;
  }
}

bool PlainPickle::step() {
  const auto opcode = static_cast<unsigned char>(take(1)[0]);
  if (step_value(opcode) || step_container(opcode)) return true;
  const auto recall = [&](std::uint64_t index) {
    if (index >= memo_.size() || memo_[index] == kUnset) refuse("broken: a value that was not stored is read");
    stack_.push_back(memo_[index]);
  };
  switch (opcode) {
    case '.': return false;
    case 0x80:
      if (number(1) > 5) refuse("a newer pickle protocol");
      break;
    case 0x95: number(8); break;  // FRAME
    case '(': marks_.push_back(stack_.size()); break;
    case '0': pop(); break;
    case '2': {
      const Node top = pop();
      stack_.insert(stack_.end(), 2, top);
      break;
    }
    case 'q': memoize(number(1)); break;
    case 'r': memoize(number(4)); break;
    case 0x94: memoize(memo_.size()); break;
    case 'h': recall(number(1)); break;
    case 'j': recall(number(4)); break;
    case 'c': {
      const std::string_view module = line();
      push_global(module, line());
      break;
    }
    case 0x93: {  // STACK_GLOBAL
      const Node name = pop(), module = pop();
      if (!value(name).is_text() || !value(module).is_text()) refuse("broken: a name that is not text");
      push_global(value(module).text(), value(name).text());
      break;
    }
    case 'R':
    case 0x81: reduce(); break;
    case 'b': build(); break;
    default: refuse(fmt::format("opcode 0x{:02x} is not part of plain data", opcode));
  }
  return true;
}

}  // namespace emotion
