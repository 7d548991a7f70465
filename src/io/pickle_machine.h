#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace emotion {

/// The machine that pickles (protocols 2 to 5) are programs for: opcodes and their arguments, the stack, its marks and the memo.
///
/// What values are is up to who derives from it. Nothing is ever executed: GLOBAL, REDUCE and BUILD become calls of global(),
/// call() and build(), which know a short list of names; opcodes outside of the list are refused. The memo takes no index above
/// the number of opcodes so far, so that no few bytes make it large.
template <class Value>
class PickleMachine {
 protected:
  enum class Container { kTuple, kList, kDict, kSet };
  struct Limits {
    std::uint64_t steps = std::numeric_limits<std::uint64_t>::max();  ///< opcodes
    bool persistent_ids = false;                                      ///< BINPERSID is read
  };

  /// `contents`, for errors: what the pickle may hold.
  PickleMachine(std::string_view bytes, std::string contents, Limits limits)
      : bytes_(bytes), contents_(std::move(contents)), limits_(limits) {}
  virtual ~PickleMachine() = default;
  PickleMachine(const PickleMachine&) = delete;
  PickleMachine& operator=(const PickleMachine&) = delete;

  virtual Value none() = 0;
  virtual Value boolean(bool value) = 0;
  virtual Value integer(std::int64_t value) = 0;
  /// An integer of more than 64 bits, whose `size` bytes are still to be taken.
  virtual Value wide_integer(std::uint64_t size) = 0;
  virtual Value real(double value) = 0;
  virtual Value text(std::string_view value) = 0;
  virtual Value bytes(std::string_view value) = 0;
  /// A dictionary's items are keys and values by turns, an even number.
  virtual Value container(Container kind, std::vector<Value> items) = 0;
  /// To a list or set.
  virtual void append(const Value& list, std::vector<Value> items) = 0;
  virtual void set_items(const Value& dict, std::vector<Value> items) = 0;
  /// The text of a value that names something. Refuses what is no text.
  virtual std::string_view name_of(const Value& value) = 0;
  virtual Value global(std::string_view module, std::string_view name) = 0;
  virtual Value call(const Value& callable, const Value& arguments) = 0;
  virtual void build(const Value& object, const Value& state) = 0;
  virtual Value persistent(const Value& id) = 0;
  /// Throws an error that says `what`.
  virtual void fail(const std::string& what) const = 0;
  [[noreturn]] void refuse(const std::string& what) const {
    fail(what);
    std::terminate();  // never reached
  }

  /// From the next byte to STOP; what is then on top of the stack.
  Value run() {
    stack_.clear();
    marks_.clear();
    memo_.clear();
    do {
      if (++steps_ > limits_.steps) refuse(fmt::format("more than {} steps", limits_.steps));
    } while (step());
    return pop();
  }

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) refuse("truncated");
    const std::string_view piece = bytes_.substr(at_, count);
    at_ += count;
    return piece;
  }

  /// A text or list may be copied again and again by a few bytes: all copies together stay below twice the file's size.
  void count_copied(std::size_t size) {
    copied_ += size;
    if (copied_ > 2 * bytes_.size()) refuse("refused: it copies more than it holds");
  }

  std::size_t position() const { return at_; }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::uint64_t number(int count) {
    std::uint64_t value = 0;
    const std::string_view piece = take(static_cast<std::uint64_t>(count));
    for (std::size_t i = 0; i < piece.size(); ++i) value |= std::uint64_t{static_cast<unsigned char>(piece[i])} << 8 * i;
    return value;
  }

  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) refuse("truncated");
    const std::string_view text = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return text;
  }

  void push(Value value) { stack_.push_back(std::move(value)); }

  Value pop() {
    if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back())) refuse("broken: a value is missing");
    Value value = std::move(stack_.back());
    stack_.pop_back();
    return value;
  }

  std::vector<Value> pop_to_mark() {
    if (marks_.empty() || marks_.back() > stack_.size()) refuse("broken: a mark is missing");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Value> values(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return values;
  }

  std::vector<Value> pop_many(std::size_t count) {
    std::vector<Value> values(count);
    while (count-- > 0) values[count] = pop();
    return values;
  }

  const Value& top(const char* missing) {
    if (stack_.empty()) refuse(missing);
    return stack_.back();
  }

  void remember(std::uint64_t index) {
    const Value& value = top("broken: nothing to remember");
    if (index > steps_) refuse("broken: a place in the memo beyond the number of steps");
    if (index >= memo_.size()) memo_.resize(index + 1);
    memo_[index] = value;
  }

  void recall(std::uint64_t index) {
    if (index >= memo_.size() || !memo_[index]) refuse("broken: a value that was not stored is read");
    push(*memo_[index]);
  }

  /// LONG1: little-endian, two's complement.
  Value long_integer() {
    const std::uint64_t size = number(1);
    if (size > 8) return wide_integer(size);
    std::uint64_t bits = number(static_cast<int>(size));
    if (size > 0 && size < 8 && bits >> (8 * size - 1)) bits |= ~std::uint64_t{0} << 8 * size;
    return integer(static_cast<std::int64_t>(bits));
  }

  std::vector<Value> even(std::vector<Value> items) const {
    if (items.size() % 2 != 0) refuse("broken: a key without a value");
    return items;
  }

  bool step_value(unsigned char opcode) {
    switch (opcode) {
      case 'N': push(none()); return true;
      case 0x88:
      case 0x89: push(boolean(opcode == 0x88)); return true;
      case 'J': push(integer(static_cast<std::int32_t>(number(4)))); return true;
      case 'K': push(integer(static_cast<std::int64_t>(number(1)))); return true;
      case 'M': push(integer(static_cast<std::int64_t>(number(2)))); return true;
      case 0x8a: push(long_integer()); return true;
      case 'G': push(real(std::bit_cast<double>(__builtin_bswap64(number(8))))); return true;
      case 'U':  // protocol 2's byte strings
      case 0x8c: push(text(take(number(1)))); return true;
      case 'T':
      case 'X': push(text(take(number(4)))); return true;
      case 0x8d: push(text(take(number(8)))); return true;
      case 'C': push(bytes(take(number(1)))); return true;
      case 'B': push(bytes(take(number(4)))); return true;
      case 0x8e:
      case 0x96: push(bytes(take(number(8)))); return true;  // bytearray
      default: return false;
    }
  }

  bool step_container(unsigned char opcode) {
    switch (opcode) {
      case '}': push(container(Container::kDict, {})); return true;
      case ']': push(container(Container::kList, {})); return true;
      case ')': push(container(Container::kTuple, {})); return true;
      case 0x8f: push(container(Container::kSet, {})); return true;
      case 't': push(container(Container::kTuple, pop_to_mark())); return true;
      case 'l': push(container(Container::kList, pop_to_mark())); return true;
      case 0x91: push(container(Container::kSet, pop_to_mark())); return true;  // FROZENSET
      case 'd': push(container(Container::kDict, even(pop_to_mark()))); return true;
      case 0x85:
      case 0x86:
      case 0x87: push(container(Container::kTuple, pop_many(opcode - std::size_t{0x84}))); return true;
      case 'a':
      case 'e':
      case 0x90: {
        auto items = opcode == 'a' ? pop_many(1) : pop_to_mark();
        append(top("broken: an item for no list"), std::move(items));
        return true;
      }
      case 's':
      case 'u': {
        auto items = even(opcode == 's' ? pop_many(2) : pop_to_mark());
        set_items(top("broken: an item for no dictionary"), std::move(items));
        return true;
      }
      default: return false;
    }
  }

  bool step_object(unsigned char opcode) {
    switch (opcode) {
      case 'c': {
        const std::string_view module = line();
        push(global(module, line()));
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const Value name = pop(), module = pop();
        push(global(name_of(module), name_of(name)));
        return true;
      }
      case 'R':
      case 0x81: {  // NEWOBJ: the same for the few classes there are
        const Value arguments = pop(), callable = pop();
        push(call(callable, arguments));
        return true;
      }
      case 'b': {
        const Value state = pop();
        build(top("broken: a state for no object"), state);
        return true;
      }
      case 'Q':
        if (limits_.persistent_ids) push(persistent(pop()));
        return limits_.persistent_ids;
      default: return false;
    }
  }

  /// False at STOP.
  bool step() {
    const auto opcode = static_cast<unsigned char>(take(1)[0]);
    if (step_value(opcode) || step_container(opcode) || step_object(opcode)) return true;
    switch (opcode) {
      case '.': return false;
      case 0x80:
        if (number(1) > 5) refuse("a newer pickle protocol");
        return true;
      case 0x95: number(8); return true;  // FRAME
      case '(': marks_.push_back(stack_.size()); return true;
      case '0': pop(); return true;
      case '2': {
        const Value value = pop();
        stack_.insert(stack_.end(), 2, value);
        return true;
      }
      case 'q': remember(number(1)); return true;
      case 'r': remember(number(4)); return true;
      case 0x94: remember(memo_.size()); return true;
      case 'h': recall(number(1)); return true;
      case 'j': recall(number(4)); return true;
      default: refuse(fmt::format("opcode 0x{:02x} is not part of {}", opcode, contents_));
    }
  }

  std::string_view bytes_;
  std::string contents_;
  Limits limits_;
  std::size_t at_ = 0, copied_ = 0;
  std::uint64_t steps_ = 0;
  std::vector<Value> stack_;
  std::vector<std::size_t> marks_;
  std::vector<std::optional<Value>> memo_;
};

}  // namespace emotion
