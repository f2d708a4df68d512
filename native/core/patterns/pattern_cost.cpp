#include "core/patterns/pattern_cost.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>

namespace ringtap {

namespace {

using Limits = PatternLimits;

// Sums are capped far above every limit, so that products of two cannot overflow.
constexpr uint64_t kCap = uint64_t{1} << 31;

uint64_t capped(uint64_t value) { return std::min(value, kCap); }

// The paths through a part of the automaton on which no character is consumed, without going round a loop twice.
// regcomp follows each of them anew where one leads to an anchor, or into a loop on which none is consumed.
struct Paths {
  uint64_t through = 1;  // from its start to its end
  uint64_t in = 0;       // from its start to any node of it
  uint64_t out = 0;      // from any node of it to its end
  uint64_t all = 0;      // from any node of it to any node of it

  static Paths node(bool consumes) { return {consumes ? 0u : 1u, 1, 1, 1}; }

  [[nodiscard]] Paths then(const Paths& next) const {
    return {capped(through * next.through), capped(in + capped(through * next.in)),
            capped(next.out + capped(next.through * out)), capped(all + next.all + capped(out * next.in))};
  }
  [[nodiscard]] Paths orElse(const Paths& other) const {
    return {capped(through + other.through), capped(in + other.in), capped(out + other.out), capped(all + other.all)};
  }
  [[nodiscard]] Paths optional() const { return orElse({1, 1, 1, 1}); }
  [[nodiscard]] Paths looped() const {
    Paths loop = optional();
    loop.all = capped(loop.all + capped(out * in));
    return loop;
  }
};

// The automaton's transitions as musl (regcomp.c, TRE) builds them: from every character that may end a part to every
// one that may begin the next. A bracket is one character with as many entries as it has items.
struct Positions {
  uint64_t first = 0;        // entries of the characters that may come first
  uint64_t firstPlaces = 0;  // these characters
  uint64_t last = 0;         // entries of the characters that may come last
  uint64_t lastSquared = 0;  // for each of these characters the square of its entries
  uint64_t copied = 0;       // entries of all the sets that are made
  uint64_t transitions = 0;  // weighted with the entries of the character that they begin at

  static Positions character(uint64_t items) {
    return {items, 1, items, capped(items * items), capped(items * items + items), 0};
  }

  [[nodiscard]] Positions then(const Positions& next, bool nullable, bool nextNullable) const {
    Positions both;
    both.first = capped(first + (nullable ? next.first : 0));
    both.firstPlaces = capped(firstPlaces + (nullable ? next.firstPlaces : 0));
    both.last = capped(next.last + (nextNullable ? last : 0));
    both.lastSquared = capped(next.lastSquared + (nextNullable ? lastSquared : 0));
    both.copied = capped(copied + next.copied + (nullable ? both.first : 0) + (nextNullable ? both.last : 0));
    both.transitions = capped(transitions + next.transitions + capped(lastSquared * next.firstPlaces));
    return both;
  }
  [[nodiscard]] Positions orElse(const Positions& other) const {
    Positions both{capped(first + other.first), capped(firstPlaces + other.firstPlaces), capped(last + other.last),
                   capped(lastSquared + other.lastSquared)};
    both.copied = capped(copied + other.copied + both.first + both.last);
    both.transitions = capped(transitions + other.transitions);
    return both;
  }
  [[nodiscard]] Positions looped() const {
    Positions loop = *this;
    loop.transitions = capped(loop.transitions + capped(lastSquared * firstPlaces));
    return loop;
  }
};

// The cost of a part of the expression, with counted repetitions expanded.
struct Cost {
  uint64_t size = 0;
  uint64_t choices = 0;
  uint64_t emptyLoops = 0;
  uint64_t loopedChoices = 0;     // those in unbounded repetitions of a possibly empty operand
  uint64_t assertions = 0;        // in total
  uint64_t emptyAssertions = 0;   // those in groups that may match the empty string
  uint64_t loopedAssertions = 0;  // those in unbounded repetitions of a possibly empty operand
  uint64_t references = 0;
  uint64_t loopedReferences = 0;  // those in repetitions
  bool nullable = true;           // may match the empty string
  Paths paths;
  Positions positions;

  void add(const Cost& other) {
    size = capped(size + other.size);
    choices = capped(choices + other.choices);
    emptyLoops = capped(emptyLoops + other.emptyLoops);
    loopedChoices = capped(loopedChoices + other.loopedChoices);
    assertions = capped(assertions + other.assertions);
    emptyAssertions = capped(emptyAssertions + other.emptyAssertions);
    loopedAssertions = capped(loopedAssertions + other.loopedAssertions);
    references = capped(references + other.references);
    loopedReferences = capped(loopedReferences + other.loopedReferences);
  }

  void multiply(uint64_t copies) {
    for (uint64_t* count :
         {&size, &choices, &emptyLoops, &loopedChoices, &assertions, &emptyAssertions, &loopedAssertions, &references})
      *count = capped(*count * copies);
  }
};

struct Repetition {
  uint64_t min;
  std::optional<uint64_t> max;  // nullopt: unbounded
};

// Parses an expression as regcomp does (glibc posix/regcomp.c, RE_SYNTAX_POSIX_EXTENDED). Ambiguous syntax is counted
// in its more expensive reading; the cost of an expression that regcomp refuses is arbitrary.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  // nullopt if parentheses are nested too deeply.
  std::optional<Cost> read() {
    Cost cost = alternatives(0);
    if (tooDeep_) return std::nullopt;
    return cost;
  }

 private:
  bool more() const { return at_ < text_.size(); }
  char peek() const { return text_[at_]; }

  Cost alternatives(size_t depth) {
    Cost cost = sequence(depth);
    while (more() && peek() == '|') {
      at_++;
      const Cost branch = sequence(depth);
      cost.add(branch);
      cost.paths = cost.paths.orElse(branch.paths);
      cost.positions = cost.positions.orElse(branch.positions);
      cost.choices = capped(cost.choices + 1);
      cost.nullable = cost.nullable || branch.nullable;
    }
    return cost;
  }

  Cost sequence(size_t depth) {
    Cost cost;
    uint64_t run = 0;  // assertions that are factors of their own, since the last factor that consumes a character
    while (more() && peek() != '|' && !(peek() == ')' && depth > 0) && !tooDeep_) {
      const Cost one = factor(depth);
      cost.add(one);
      cost.paths = cost.paths.then(one.paths);
      cost.positions = cost.positions.then(one.positions, cost.nullable, one.nullable);
      cost.nullable = cost.nullable && one.nullable;
      if (!one.nullable) run = 0;
      run = capped(run + one.assertions - one.emptyAssertions);
      if (run > 1) cost.emptyAssertions = capped(cost.emptyAssertions + 1);
    }
    return cost;
  }

  // An atom and the repetitions that follow it.
  Cost factor(size_t depth) {
    bool bare = true;
    Cost cost;
    if (peek() == '(') {
      bare = false;
      cost = group(depth + 1);
    } else {
      cost = atom();
    }
    while (const auto repetition = repeated()) {
      bare = false;
      repeat(cost, *repetition);
    }
    // A single assertion, as in ^eth0$, must hold on every path, so it does not multiply the number of paths.
    if (!bare && cost.nullable) cost.emptyAssertions = cost.assertions;
    return cost;
  }

  Cost group(size_t depth) {
    at_++;
    if (depth > Limits::kDepth) {
      tooDeep_ = true;
      return {};
    }
    Cost cost = alternatives(depth);
    if (more()) at_++;  // the parenthesis
    cost.size = capped(cost.size + 1);
    if (cost.nullable) cost.choices = capped(cost.choices + 1);
    cost.paths = Paths::node(false).then(cost.paths);
    return cost;
  }

  Cost atom() {
    Cost cost;
    cost.size = 1;
    cost.nullable = false;
    cost.paths = Paths::node(true);
    cost.positions = Positions::character(1);
    const char c = text_[at_++];
    if (c == '^' || c == '$') {
      assertion(cost);
    } else if (c == '[') {
      const size_t from = at_;
      bracket();
      cost.positions = Positions::character(at_ - from);
    } else if (c == '\\' && more()) {
      const char escaped = text_[at_++];
      if (std::string_view("bB<>`'").find(escaped) != std::string_view::npos) assertion(cost);
      if (escaped >= '1' && escaped <= '9') {
        cost.references = 1;
        cost.nullable = true;
        cost.paths = Paths::node(false);
      }
    }
    return cost;
  }

  static void assertion(Cost& cost) {
    cost.assertions = 1;
    cost.nullable = true;
    cost.paths = Paths::node(false);
    cost.positions = {};
  }

  // Starts after the `[`. A `]` in first place is literal; [:…:], [.….] and [=…=] may contain one.
  void bracket() {
    if (more() && peek() == '^') at_++;
    if (more() && peek() == ']') at_++;
    while (more() && peek() != ']') {
      const char c = text_[at_++];
      if (c != '[' || !more() || std::string_view(":.=").find(peek()) == std::string_view::npos) continue;
      const char end[] = {text_[at_++], ']'};
      const size_t found = text_.find(std::string_view(end, 2), at_);
      at_ = found == std::string_view::npos ? text_.size() : found + 2;
    }
    if (more()) at_++;
  }

  std::optional<Repetition> repeated() {
    if (!more()) return std::nullopt;
    switch (peek()) {
      case '*': at_++; return Repetition{0, std::nullopt};
      case '+': at_++; return Repetition{1, std::nullopt};
      case '?': at_++; return Repetition{0, 1};
      case '{': at_++; return interval();
      default: return std::nullopt;
    }
  }

  // Starts after the `{`.
  Repetition interval() {
    const uint64_t min = number().value_or(0);
    Repetition repetition{min, min};
    if (more() && peek() == ',') {
      at_++;
      repetition.max = number();
    }
    if (more() && peek() == '}') at_++;
    return repetition;
  }

  std::optional<uint64_t> number() {
    std::optional<uint64_t> value;
    for (; more() && peek() >= '0' && peek() <= '9'; at_++)
      value = capped(value.value_or(0) * 10 + static_cast<uint64_t>(peek() - '0'));
    return value;
  }

  // Expanded as by regcomp: x{2,4} is xx(x(x)?)?, x+ is xx*, x{2,} is xxx*.
  static void repeat(Cost& cost, const Repetition& repetition) {
    const auto [min, max] = repetition;
    cost.loopedReferences = cost.references;
    const uint64_t copies = std::max<uint64_t>(1, max ? std::max(min, *max) : min + 1);
    cost.multiply(copies);
    if (cost.size <= Limits::kSize) {
      cost.paths = repeated(cost.paths, repetition);
      cost.positions = repeated(cost.positions, cost.nullable, repetition);
    }
    if (!max) {
      cost.choices = capped(cost.choices + 1);
      if (cost.nullable) {
        cost.emptyLoops = capped(cost.emptyLoops + 1);
        cost.loopedChoices = capped(cost.loopedChoices + cost.choices);
        cost.loopedAssertions = capped(cost.loopedAssertions + cost.assertions);
      }
    } else if (*max > min) {
      cost.choices = capped(cost.choices + *max - min);
    }
    cost.nullable = cost.nullable || min == 0;
  }

  static Paths repeated(const Paths& operand, const Repetition& repetition) {
    const auto [min, max] = repetition;
    Paths tail;
    if (!max) tail = operand.looped();
    else
      for (uint64_t i = min; i < *max; i++) tail = operand.then(tail).optional();
    Paths paths;
    for (uint64_t i = 0; i < min; i++) paths = paths.then(operand);
    return paths.then(tail);
  }

  static Positions repeated(const Positions& operand, bool nullable, const Repetition& repetition) {
    const auto [min, max] = repetition;
    Positions tail;
    if (!max) tail = operand.looped();
    else
      for (uint64_t i = min; i < *max; i++) tail = operand.then(tail, nullable, true).orElse({});
    Positions positions;
    for (uint64_t i = 0; i < min; i++) positions = positions.then(operand, i == 0 || nullable, nullable);
    return positions.then(tail, min == 0 || nullable, true);
  }

  std::string_view text_;
  size_t at_ = 0;
  bool tooDeep_ = false;
};

std::string above(size_t limit, const std::string& what) {
  return "It has more than the " + std::to_string(limit) + " " + what + " that a pattern may have";
}

}  // namespace

PatternCost patternCost(const std::string& expression) {
  if (expression.size() > Limits::kLength) return {above(Limits::kLength, "bytes")};
  const auto cost = Reader(expression).read();
  if (!cost) return {above(Limits::kDepth, "parentheses inside one another")};
  const bool references = cost->references > 0;
  const auto refuse = [&](uint64_t count, size_t limit, const char* what) {
    return count > limit ? above(limit, what) : std::string();
  };
  for (const auto& excess : {
           refuse(cost->size, Limits::kSize, "characters, counting repetitions,"),
           refuse(cost->choices, Limits::kChoices, "choices (| ? * and the like), counting repetitions,"),
           refuse(cost->emptyLoops, Limits::kEmptyLoops, "unbounded repetitions of what may be empty, as (a*)*,"),
           refuse(cost->loopedChoices, Limits::kLoopedChoices, "choices in repetitions of what may be empty"),
           refuse(cost->emptyAssertions, Limits::kEmptyAssertions, "anchors in groups that may be empty"),
           refuse(cost->loopedAssertions, 0, "anchors in repetitions of what may be empty"),
           refuse(cost->loopedReferences, 0, "repeated back-references"),
           cost->assertions > 0 || cost->emptyLoops > 0
               ? refuse(cost->paths.all, Limits::kPaths, "ways to pass through parts that may be empty, as a?b*c?,")
               : std::string(),
           refuse(cost->references, Limits::kReferences, "back-references"),
           references ? refuse(cost->size, Limits::kReferencingSize,
                               "characters, counting repetitions, beside back-references")
                      : std::string(),
           refuse(cost->positions.copied, Limits::kCopied, "characters at the beginnings and ends of nested parts"),
           refuse(cost->positions.transitions, Limits::kTransitions, "ways for one character to follow another"),
       }) {
    if (!excess.empty()) return {excess, references};
  }
  return {{}, references};
}

}  // namespace ringtap
