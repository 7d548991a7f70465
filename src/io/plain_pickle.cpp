#include "emotion/io/plain_pickle.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "emotion/error.h"
#include "latin1.h"
#include "pickle_machine.h"

namespace emotion {
namespace {

enum Tag : std::uint64_t { kTagNone, kTagBool, kTagInt, kTagWide, kTagReal, kTagText, kTagBytes, kTagContainer, kTagGlobal };

constexpr int kTagBits = 4;
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

/// Runs the pickle and fills its tables.
class PlainPickleReader : private PickleMachine<std::uint64_t> {
 public:
  PlainPickleReader(PlainPickle& pickle, std::string_view bytes, std::string where)
      : PickleMachine(bytes, "plain data", {}), pickle_(pickle), where_(std::move(where)) {
    if (bytes.size() < 2 || bytes[0] != '\x80') refuse("not a pickle of protocol 2 or later");
  }
  std::uint64_t read() { return run(); }

 private:
  using Node = std::uint64_t;
  using Kind = PlainPickle::Kind;
  using Value = PlainPickle::Value;

  Node none() override { return make_node(kTagNone, 0); }
  Node boolean(bool value) override { return make_node(kTagBool, value); }
  Node integer(std::int64_t value) override {
    if (value >= -kSmall && value < kSmall) return make_node(kTagInt, static_cast<std::uint64_t>(value));
    return store(kTagWide, pickle_.numbers_, value);
  }
  Node wide_integer(std::uint64_t) override { refuse("an integer of more than 64 bits"); }
  Node real(double value) override { return store(kTagReal, pickle_.reals_, value); }
  Node text(std::string_view value) override { return store(kTagText, pickle_.texts_, value); }
  Node bytes(std::string_view value) override { return store(kTagBytes, pickle_.texts_, value); }
  Node container(Container kind, std::vector<Node> items) override {
    // A set is read as a list.
    return make(kind == Container::kDict    ? Kind::kDict
                : kind == Container::kTuple ? Kind::kTuple
                                            : Kind::kList,
                std::move(items));
  }
  void append(const Node& list, std::vector<Node> items) override {
    auto& all = items_of(list, Kind::kList, "broken: an item for no list");
    all.insert(all.end(), items.begin(), items.end());
  }
  void set_items(const Node& dict, std::vector<Node> items) override {
    auto& all = items_of(dict, Kind::kDict, "broken: an item for no dictionary");
    all.insert(all.end(), items.begin(), items.end());
  }
  std::string_view name_of(const Node& node) override {
    if (!value(node).is_text()) refuse("broken: a name that is not text");
    return value(node).text();
  }
  Node global(std::string_view module, std::string_view name) override;
  Node call(const Node& callable, const Node& arguments) override;
  void build(const Node& object, const Node& state) override;
  Node persistent(const Node&) override { refuse("broken: a persistent id"); }
  void fail(const std::string& what) const override {
    throw DataError(fmt::format("{}: {} (byte {})", where_, what, position()));
  }

  template <class T>
  static Node store(Node tag, std::vector<T>& table, const T& value) {
    table.push_back(value);
    return make_node(tag, table.size() - 1);
  }
  Node make(Kind kind, std::vector<Node> items = {}) {
    pickle_.containers_.push_back({kind, std::move(items)});
    return make_node(kTagContainer, pickle_.containers_.size() - 1);
  }
  std::vector<Node>& items_of(Node node, Kind kind, const char* missing) {
    if (tag_of(node) != kTagContainer || pickle_.containers_[payload_of(node)].kind != kind) refuse(missing);
    return pickle_.containers_[payload_of(node)].items;
  }
  Value value(Node node) const { return {&pickle_, node}; }
  Node make_scalar(const std::vector<Node>& arguments);
  Node make_value(std::string_view name, const std::vector<Node>& arguments);

  PlainPickle& pickle_;
  std::string where_;
};

PlainPickle::PlainPickle(std::string_view bytes, std::string where) {
  root_ = PlainPickleReader(*this, bytes, std::move(where)).read();
}

std::uint64_t PlainPickleReader::global(std::string_view module, std::string_view name) {
  const std::string full = fmt::format("{}.{}", module.substr(0, 100), name.substr(0, 100));
  const auto found = std::find(kGlobals.begin(), kGlobals.end(), full);
  if (found == kGlobals.end()) refuse(fmt::format("refused: it wants to call {}; only plain data are read", full));
  return make_node(kTagGlobal, static_cast<std::uint64_t>(found - kGlobals.begin()));
}

std::uint64_t PlainPickleReader::call(const Node& callable, const Node& arguments) {
  if (tag_of(callable) != kTagGlobal || value(arguments).kind() != Kind::kTuple)
    refuse("broken: a call without a name or arguments");
  if (value(arguments).size() > kMostArguments) refuse("broken: a call with too many arguments");
  const auto items = pickle_.containers_[payload_of(arguments)].items;
  return make_value(kGlobals[payload_of(callable)], items);
}

/// numpy.core.multiarray.scalar(dtype, bytes)
std::uint64_t PlainPickleReader::make_scalar(const std::vector<Node>& arguments) {
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

std::uint64_t PlainPickleReader::make_value(std::string_view name, const std::vector<Node>& arguments) {
  if (name.ends_with("._reconstruct")) return make(Kind::kArray);
  if (name.ends_with(".scalar")) return make_scalar(arguments);
  if (name == "numpy.dtype") {
    if (arguments.empty() || !value(arguments[0]).is_text()) refuse("broken: a numpy type without a name");
    return make(Kind::kOther, {arguments[0]});
  }
  if (name.ends_with("._frombuffer")) {  // bytes, dtype, shape, order
    if (arguments.size() != 4 || value(arguments[3]).text() != "C" || value(arguments[1]).size() == 0)
      refuse("a numpy array that is not in C order");
    return make(Kind::kArray, {pickle_.containers_[payload_of(arguments[1])].items[0], arguments[2], arguments[0]});
  }
  if (name == "_codecs.encode") {
    if (!arguments.empty()) count_copied(value(arguments[0]).text().size());
    auto encoded = arguments.empty() ? std::nullopt : latin1_bytes(value(arguments[0]).text());
    if (!encoded) refuse("broken: bytes that are not written as latin1");
    return bytes(pickle_.owned_.emplace_back(std::move(*encoded)));
  }
  if (name.ends_with(".int")) return arguments.empty() ? integer(0) : integer(value(arguments[0]).integer());
  if (name.ends_with(".set") || name.ends_with(".list")) {
    return !arguments.empty() && value(arguments[0]).is_list() ? arguments[0] : make(Kind::kList);
  }
  if (name == "numpy.ndarray") refuse("broken: an array that is made without numpy's own function");
  std::vector<Node> pairs;  // a dictionary, perhaps of a list of pairs
  const Value list = value(arguments.empty() ? none() : arguments[0]);
  if (list.is_list()) count_copied(list.size());
  for (std::size_t i = 0; list.is_list() && i < list.size(); ++i) {
    if (!list[i].is_list() || list[i].size() != 2) refuse("broken: a dictionary is not made of pairs");
    pairs.push_back(list[i][0].bits_);
    pairs.push_back(list[i][1].bits_);
  }
  return make(Kind::kDict, std::move(pairs));
}

/// The state of an array, of its type, or of a dictionary (which has nothing to say).
void PlainPickleReader::build(const Node& object, const Node& state) {
  if (tag_of(object) != kTagContainer) refuse("broken: a state for no object");
  PlainPickle::Container& made = pickle_.containers_[payload_of(object)];
  const Value parts = value(state);
  if (made.kind == Kind::kOther) {  // (version, byte order, ..)
    if (parts.size() < 2 || parts[1].text() == ">") refuse("numpy data of another byte order");
    return;
  }
  if (made.kind != Kind::kArray) return;
  if (parts.size() != 5 || parts[1].kind() != Kind::kTuple || parts[2].kind() != Kind::kOther || parts[2].size() == 0 ||
      parts[3].integer() != 0 || (parts[4].kind() != Kind::kBytes && parts[4].kind() != Kind::kText)) {
    refuse("a numpy array that is not plain numbers in C order");
  }
  made.items = {parts[2][0].bits_, parts[1].bits_, parts[4].bits_};
}

}  // namespace emotion
