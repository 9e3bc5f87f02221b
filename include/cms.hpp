// cms in C++17: a layer over cms.h, in this header alone; link with -lcms.
//
//     auto store = cms::store::open();
//     if (!store)
//         return complain(store.error().message);
//     std::int64_t mtu = store->get_or("network.lan.mtu", std::int64_t{1500});
//     if (auto snapshot = store->snapshot())
//         for (auto section : snapshot->sections("network", "interface"))
//             use(section.name(), section.get<std::string_view>("ipaddr"));
//     if (auto change = store->begin()) {     // is rolled back where the block ends, unless it is committed
//         change->set("network.lan.mtu", 1400);
//         auto revision = change->commit();
//     }
//
// Handles    An object owns its handle of cms.h, is moved and not copied, and closes the handle at its end. `handle()`
//            lends it to functions of cms.h, `release()` gives it away.
// Reading    `get<T>(key)` is a std::optional, empty if there is no value of that type; `get_or(key, fallback)` has a
//            default; `read<T>(key)` tells the error. T is std::string, bool, any integer, float, double, cms::size or
//            std::vector<std::string>; a number that does not fit into T is an error. In a snapshot T may also be
//            std::string_view and std::vector<std::string_view>: no copy, valid as long as the snapshot.
// Errors     are values: `cms::result<T>` holds a T or a cms::error. With CMS_HPP_EXCEPTIONS defined before this header,
//            `value()` throws a cms::exception; else nothing throws but std::bad_alloc.
// Keys       and values are passed as `const char *` or std::string.
// Threads    as in cms.h: functions that are const may be called by any number of threads at the same time.

#ifndef CMS_HPP_
#define CMS_HPP_

#include "cms.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#ifdef CMS_HPP_EXCEPTIONS
#include <stdexcept>
#endif

namespace cms {

// A string that ends with a NUL byte, as an argument.
class text {
  public:
    text(const char *string) noexcept : string_(string) {}
    text(const std::string &string) noexcept : string_(string.c_str()) {}
    const char *c_str() const noexcept { return string_; }

  private:
    const char *string_;
};

// A number of bytes, which is written with k, M, G or T: "2M".
struct size {
    std::uint64_t bytes = 0;
};

// Why a call failed: a copy of what cms_last_error tells.
struct error {
    cms_status status = CMS_OK;
    std::string message, file, key, value, hint;
    std::uint32_t line = 0, column = 0;

    // The details of the call of this thread that has just failed with this status.
    static error last(cms_status status) {
        error made;
        cms_error told{};
        told.size = sizeof told;
        made.status = status;
        if (cms_last_error(&told) == CMS_OK && told.status == status) {
            made.message = told.message;
            made.file = told.file;
            made.key = told.key;
            made.value = told.value;
            made.hint = told.hint;
            made.line = told.line;
            made.column = told.column;
        } else {
            made.message = cms_status_message(static_cast<std::int32_t>(status));
        }
        return made;
    }
};

#ifdef CMS_HPP_EXCEPTIONS
class exception : public std::runtime_error {
  public:
    explicit exception(error why) : std::runtime_error(why.message), why_(std::move(why)) {}
    const error &why() const noexcept { return why_; }

  private:
    error why_;
};
#endif

// A value, or the error because of which there is none.
template <class T> class [[nodiscard]] result {
  public:
    result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    result(cms::error why) : held_(std::in_place_index<1>, std::move(why)) {}

    explicit operator bool() const noexcept { return held_.index() == 0; }
    cms_status status() const noexcept { return *this ? CMS_OK : std::get_if<1>(&held_)->status; }
    // Only where there is a value.
    T &operator*() & noexcept { return *std::get_if<0>(&held_); }
    const T &operator*() const & noexcept { return *std::get_if<0>(&held_); }
    T &&operator*() && noexcept { return std::move(*std::get_if<0>(&held_)); }
    T *operator->() noexcept { return std::get_if<0>(&held_); }
    const T *operator->() const noexcept { return std::get_if<0>(&held_); }
    // Only where there is none.
    const cms::error &error() const noexcept { return *std::get_if<1>(&held_); }
    T value_or(T fallback) && { return *this ? std::move(**this) : std::move(fallback); }

#ifdef CMS_HPP_EXCEPTIONS
    T value() && {
        if (!*this)
            throw exception(error());
        return std::move(**this);
    }
#endif

  private:
    std::variant<T, cms::error> held_;
};

template <> class [[nodiscard]] result<void> {
  public:
    result() = default;
    result(cms::error why) : why_(std::move(why)) {}

    explicit operator bool() const noexcept { return !why_; }
    cms_status status() const noexcept { return why_ ? why_->status : CMS_OK; }
    // Only where the call has failed.
    const cms::error &error() const noexcept { return *why_; }

#ifdef CMS_HPP_EXCEPTIONS
    void value() && {
        if (why_)
            throw exception(*why_);
    }
#endif

  private:
    std::optional<cms::error> why_;
};

// Owns a handle of cms.h. Also for those without a class of their own: cms::owned<cms_history, cms_history_close>.
template <class T, void (*Close)(T *)> class owned {
  public:
    owned() = default;
    explicit owned(T *handle) noexcept : handle_(handle) {}
    owned(owned &&other) noexcept : handle_(other.release()) {}
    owned &operator=(owned &&other) noexcept {
        if (this != &other) {
            Close(handle_);
            handle_ = other.release();
        }
        return *this;
    }
    owned(const owned &) = delete;
    owned &operator=(const owned &) = delete;
    ~owned() { Close(handle_); }

    T *handle() const noexcept { return handle_; }
    T *release() noexcept { return std::exchange(handle_, nullptr); }
    explicit operator bool() const noexcept { return handle_ != nullptr; }

  private:
    T *handle_ = nullptr;
};

namespace detail {

inline result<void> done(cms_status status) {
    if (status == CMS_OK)
        return {};
    return error::last(status);
}

template <class T> result<T> answer(cms_status status, T &&value) {
    if (status == CMS_OK)
        return std::forward<T>(value);
    return error::last(status);
}

inline std::string_view view(const cms_bytes &bytes) noexcept { return {bytes.data, bytes.len}; }

// Calls a function that writes text as cms_get does, again if its buffer was too small.
template <class Call> cms_status read_text(Call call, std::string &to) {
    char small[256];
    std::size_t len = 0;
    cms_status status = call(small, sizeof small, &len);
    if (status != CMS_OK)
        return status;
    if (len < sizeof small) {
        to.assign(small, len);
        return status;
    }
    for (;;) {
        const std::size_t room = len;
        to.resize(room);
        status = call(&to[0], room + 1, &len);
        if (status != CMS_OK || len <= room) {
            to.resize(status == CMS_OK ? len : 0);
            return status;
        }
    }
}

inline cms_status read_items(cms_status status, cms_list *opened, std::vector<std::string> &to) {
    if (status != CMS_OK)
        return status;
    const owned<cms_list, cms_list_close> list(opened);
    cms_bytes item{};
    for (std::size_t index = 0; cms_list_item(opened, index, &item) == CMS_OK; index++)
        to.emplace_back(item.data, item.len);
    return CMS_OK;
}

template <class T> inline constexpr bool is_integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

template <class T> constexpr std::int64_t least() noexcept {
    return std::is_signed_v<T> ? static_cast<std::int64_t>(std::numeric_limits<T>::min()) : 0;
}

template <class T> constexpr std::int64_t most() noexcept {
    constexpr bool fits = sizeof(T) < sizeof(std::int64_t) || std::is_signed_v<T>;
    return fits ? static_cast<std::int64_t>(std::numeric_limits<T>::max()) : std::numeric_limits<std::int64_t>::max();
}

template <class> inline constexpr bool never = false;

// The typed reads of everything that has them. `Self` has the functions that are called here.
template <class Self> class reading {
  public:
    // Reads a value, or tells why there is none.
    template <class T> result<T> read(text key) const { return read_from<T>(self(), key); }

    // Reads a value. It is empty if there is none of that type; cms::error::last tells why.
    template <class T> std::optional<T> get(text key) const { return optional<T>(read<T>(key)); }

    // Reads a value, or returns the fallback.
    template <class T> T get_or(text key, T fallback) const { return read<T>(key).value_or(std::move(fallback)); }
    std::string get_or(text key, const char *fallback) const { return get_or(key, std::string(fallback)); }

  protected:
    template <class T> static std::optional<T> optional(result<T> read) {
        if (!read)
            return std::nullopt;
        return std::move(*read);
    }

    template <class T> static result<T> read_from(const Self &of, text key) {
        if constexpr (std::is_same_v<T, bool>) {
            std::int32_t truth = 0;
            const cms_status status = of.get_bool(key.c_str(), truth);
            return answer(status, truth != 0);
        } else if constexpr (is_integer<T>) {
            std::int64_t number = 0;
            const cms_status status = of.get_int(key.c_str(), least<T>(), most<T>(), number);
            return answer(status, static_cast<T>(number));
        } else if constexpr (std::is_floating_point_v<T>) {
            double number = 0;
            const cms_status status = of.get_double(key.c_str(), number);
            return answer(status, static_cast<T>(number));
        } else if constexpr (std::is_same_v<T, size>) {
            size bytes;
            const cms_status status = of.get_size(key.c_str(), bytes.bytes);
            return answer(status, std::move(bytes));
        } else if constexpr (std::is_same_v<T, std::string>) {
            std::string string;
            const cms_status status = of.get_string(key.c_str(), string);
            return answer(status, std::move(string));
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
            std::vector<std::string> items;
            const cms_status status = of.get_items(key.c_str(), items);
            return answer(status, std::move(items));
        } else if constexpr (std::is_same_v<T, std::string_view>) {
            std::string_view string;
            const cms_status status = of.get_view(key.c_str(), string);
            return answer(status, std::move(string));
        } else if constexpr (std::is_same_v<T, std::vector<std::string_view>>) {
            std::vector<std::string_view> items;
            const cms_status status = of.get_views(key.c_str(), items);
            return answer(status, std::move(items));
        } else {
            static_assert(never<T>, "cms: values are not converted to this type");
        }
    }

  private:
    const Self &self() const noexcept { return static_cast<const Self &>(*this); }
};

// The typed writes of a transaction, and those of a store in one call.
template <class Self> class writing {
  public:
    // Sets an option; for the key of a section, the value is its type.
    result<void> set(text key, const char *value) { return done(self().set_text(key.c_str(), value)); }
    result<void> set(text key, const std::string &value) { return set(key, value.c_str()); }
    template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0> result<void> set(text key, T value) {
        if constexpr (std::is_same_v<T, bool>) {
            return done(self().set_bool(key.c_str(), value ? 1 : 0));
        } else if constexpr (std::is_floating_point_v<T>) {
            return done(self().set_double(key.c_str(), static_cast<double>(value)));
        } else if constexpr (sizeof(T) < sizeof(std::int64_t) || std::is_signed_v<T>) {
            return done(self().set_int(key.c_str(), static_cast<std::int64_t>(value)));
        } else {
            // Its digits are those of a number of bytes.
            return done(self().set_size(key.c_str(), static_cast<std::uint64_t>(value)));
        }
    }
    result<void> set(text key, size value) { return done(self().set_size(key.c_str(), value.bytes)); }
    result<void> set(text key, const std::vector<std::string> &items) {
        std::vector<const char *> pointers;
        pointers.reserve(items.size());
        for (const std::string &item : items)
            pointers.push_back(item.c_str());
        return done(self().set_items(key.c_str(), pointers.data(), pointers.size()));
    }

  private:
    Self &self() noexcept { return static_cast<Self &>(*this); }
};

// A range over what a `next` function of cms.h finds. It is gone through once. If it could not be opened it is empty, and
// `status()` says why.
template <class Iter, void (*Close)(Iter *), class Item> class range {
  public:
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Item;
        using difference_type = std::ptrdiff_t;
        using pointer = const Item *;
        using reference = const Item &;

        iterator() = default;
        explicit iterator(range *of) : of_(of) { ++*this; }
        reference operator*() const noexcept { return *item_; }
        pointer operator->() const noexcept { return &*item_; }
        iterator &operator++() {
            if (of_) {
                item_ = Item::next(of_->iter_.handle(), of_->context_);
                if (!item_)
                    of_ = nullptr;
            }
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(const iterator &other) const noexcept { return of_ == other.of_; }
        bool operator!=(const iterator &other) const noexcept { return of_ != other.of_; }

      private:
        range *of_ = nullptr;
        std::optional<Item> item_;
    };

    range(cms_status status, Iter *iter, typename Item::context context)
        : iter_(status == CMS_OK ? iter : nullptr), status_(status), context_(std::move(context)) {}

    iterator begin() { return iter_ ? iterator(this) : iterator(); }
    iterator end() noexcept { return iterator(); }
    cms_status status() const noexcept { return status_; }

  private:
    owned<Iter, Close> iter_;
    cms_status status_;
    typename Item::context context_;
};

} // namespace detail

class snapshot;

// The name of a package.
class package {
  public:
    using context = std::monostate;

    std::string_view name() const noexcept { return name_; }

    static std::optional<package> next(cms_package_iter *iter, const context &) {
        cms_bytes name{};
        if (cms_package_iter_next(iter, &name) != CMS_OK)
            return std::nullopt;
        package found;
        found.name_.assign(name.data, name.len);
        return found;
    }

  private:
    std::string name_;
};

// An option. It is valid as long as both the range that it comes from and its snapshot.
class option {
  public:
    using context = std::monostate;

    std::string_view name() const noexcept { return detail::view(raw_.name); }
    // The value, or the first item of a list.
    std::string_view value() const noexcept { return detail::view(raw_.value); }
    bool is_list() const noexcept { return raw_.kind == CMS_OPTION_LIST; }
    std::vector<std::string_view> items() const {
        std::vector<std::string_view> items;
        cms_bytes left = raw_.items, item{};
        while (cms_bytes_next(&left, &item) == CMS_OK)
            items.push_back(detail::view(item));
        return items;
    }
    const cms_option &raw() const noexcept { return raw_; }

    static std::optional<option> next(cms_option_iter *iter, const context &) {
        option found;
        found.raw_.size = sizeof found.raw_;
        if (cms_option_iter_next(iter, &found.raw_) != CMS_OK)
            return std::nullopt;
        return found;
    }

  private:
    cms_option raw_{};
};

using packages = detail::range<cms_package_iter, cms_package_iter_close, package>;
using options_of_section = detail::range<cms_option_iter, cms_option_iter_close, option>;

// A section of a snapshot. It is valid as long as both the range that it comes from and the snapshot.
class section {
  public:
    struct context {
        const cms_snapshot *of = nullptr;
        std::string package;
    };

    std::string_view name() const noexcept { return detail::view(raw_.name); }
    std::string_view type() const noexcept { return detail::view(raw_.type); }
    bool is_anonymous() const noexcept { return raw_.anonymous != 0; }
    // PACKAGE.SECTION, or PACKAGE.SECTION.OPTION.
    std::string key() const { return within_->package + '.' + raw_.name.data; }
    std::string key(std::string_view option) const { return key() + '.' + std::string(option); }
    options_of_section options() const {
        cms_option_iter *iter = nullptr;
        const cms_status status =
            cms_option_iter_open(within_->of, within_->package.c_str(), raw_.name.data, &iter);
        return {status, iter, {}};
    }
    // As those of a snapshot, with the name of an option.
    template <class T> result<T> read(std::string_view option) const;
    template <class T> std::optional<T> get(std::string_view option) const;
    template <class T> T get_or(std::string_view option, T fallback) const;
    std::string get_or(std::string_view option, const char *fallback) const;

    static std::optional<section> next(cms_section_iter *iter, const context &within) {
        section found;
        found.raw_.size = sizeof found.raw_;
        if (cms_section_iter_next(iter, &found.raw_) != CMS_OK)
            return std::nullopt;
        found.within_ = &within;
        return found;
    }

  private:
    cms_section raw_{};
    const context *within_ = nullptr;
};

using sections = detail::range<cms_section_iter, cms_section_iter_close, section>;

// All packages as one commit left them.
class snapshot : public owned<cms_snapshot, cms_snapshot_close>, public detail::reading<snapshot> {
  public:
    using owned::owned;

    std::uint64_t revision() const {
        std::uint64_t number = 0;
        return cms_snapshot_revision(handle(), &number) == CMS_OK ? number : 0;
    }
    cms::packages packages() const {
        cms_package_iter *iter = nullptr;
        const cms_status status = cms_package_iter_open(handle(), &iter);
        return {status, iter, {}};
    }
    // The sections of a package, or of one type.
    cms::sections sections(text package, text type = "") const {
        cms_section_iter *iter = nullptr;
        const cms_status status = cms_section_iter_open(handle(), package.c_str(), type.c_str(), &iter);
        return {status, iter, {handle(), package.c_str() ? package.c_str() : ""}};
    }
    options_of_section options(text package, text section) const {
        cms_option_iter *iter = nullptr;
        const cms_status status = cms_option_iter_open(handle(), package.c_str(), section.c_str(), &iter);
        return {status, iter, {}};
    }
    // The key with the name of its section in place of a selector.
    result<std::string> resolve(text key) const {
        std::string name;
        const cms_status status = detail::read_text(
            [&](char *to, std::size_t room, std::size_t *len) {
                return cms_snapshot_resolve(handle(), key.c_str(), to, room, len);
            },
            name);
        return detail::answer(status, std::move(name));
    }

  private:
    friend class detail::reading<snapshot>;
    friend class section;

    cms_status get_bool(const char *key, std::int32_t &to) const { return cms_snapshot_get_bool(handle(), key, 0, &to); }
    cms_status get_int(const char *key, std::int64_t least, std::int64_t most, std::int64_t &to) const {
        return cms_snapshot_get_int_range(handle(), key, least, most, 0, &to);
    }
    cms_status get_double(const char *key, double &to) const { return cms_snapshot_get_double(handle(), key, 0, &to); }
    cms_status get_size(const char *key, std::uint64_t &to) const { return cms_snapshot_get_size(handle(), key, 0, &to); }
    cms_status get_view(const char *key, std::string_view &to) const {
        cms_bytes found{};
        const cms_status status = cms_snapshot_get(handle(), key, &found);
        if (status == CMS_OK)
            to = detail::view(found);
        return status;
    }
    cms_status get_views(const char *key, std::vector<std::string_view> &to) const {
        cms_bytes items{}, item{};
        const cms_status status = cms_snapshot_get_list(handle(), key, &items);
        while (status == CMS_OK && cms_bytes_next(&items, &item) == CMS_OK)
            to.push_back(detail::view(item));
        return status;
    }
    cms_status get_string(const char *key, std::string &to) const {
        std::string_view found;
        const cms_status status = get_view(key, found);
        to = found;
        return status;
    }
    cms_status get_items(const char *key, std::vector<std::string> &to) const {
        std::vector<std::string_view> found;
        const cms_status status = get_views(key, found);
        to.assign(found.begin(), found.end());
        return status;
    }
};

template <class T> result<T> section::read(std::string_view option) const {
    // The snapshot is lent, and not closed here, even where memory runs out.
    struct borrowed {
        snapshot lent;
        ~borrowed() { lent.release(); }
    };
    const borrowed of{snapshot(const_cast<cms_snapshot *>(within_->of))};
    return of.lent.template read<T>(key(option));
}

template <class T> std::optional<T> section::get(std::string_view option) const {
    auto found = read<T>(option);
    if (!found)
        return std::nullopt;
    return std::move(*found);
}

template <class T> T section::get_or(std::string_view option, T fallback) const {
    return read<T>(option).value_or(std::move(fallback));
}

inline std::string section::get_or(std::string_view option, const char *fallback) const {
    return get_or(option, std::string(fallback));
}

// A transaction. It is rolled back at its end unless it is committed.
class transaction : public owned<cms_txn, cms_txn_rollback>,
                    public detail::reading<transaction>,
                    public detail::writing<transaction> {
  public:
    using owned::owned;

    // Adds an anonymous section; returns its generated name.
    result<std::string> add_section(text package, text type) {
        std::string name;
        char buffer[64];
        const cms_status status =
            cms_txn_add_section(handle(), package.c_str(), type.c_str(), buffer, sizeof buffer, nullptr);
        if (status == CMS_OK)
            name = buffer;
        return detail::answer(status, std::move(name));
    }
    result<void> add_list(text key, text item) { return detail::done(cms_txn_add_list(handle(), key.c_str(), item.c_str())); }
    result<void> del_list(text key, text item) { return detail::done(cms_txn_del_list(handle(), key.c_str(), item.c_str())); }
    // Deletes an option or a section.
    result<void> remove(text key) { return detail::done(cms_txn_delete(handle(), key.c_str())); }
    result<void> rename(text key, text name) { return detail::done(cms_txn_rename(handle(), key.c_str(), name.c_str())); }
    result<void> reorder(text key, std::size_t position) { return detail::done(cms_txn_reorder(handle(), key.c_str(), position)); }
    result<void> add_package(text package) { return detail::done(cms_txn_add_package(handle(), package.c_str())); }
    result<void> remove_package(text package) { return detail::done(cms_txn_delete_package(handle(), package.c_str())); }
    result<std::string> resolve(text key) {
        std::string name;
        const cms_status status = detail::read_text(
            [&](char *to, std::size_t room, std::size_t *len) {
                return cms_txn_resolve(handle(), key.c_str(), to, room, len);
            },
            name);
        return detail::answer(status, std::move(name));
    }
    result<void> message(text message) { return detail::done(cms_txn_set_message(handle(), message.c_str())); }
    // The person for whom the program commits, "alice@192.168.7.20" for example.
    result<void> author(text author) { return detail::done(cms_txn_set_author(handle(), author.c_str())); }
    result<void> source(text source) { return detail::done(cms_txn_set_source(handle(), source.c_str())); }
    // The id of the request: 32 hexadecimal digits, with hyphens or without.
    result<void> request(text request) { return detail::done(cms_txn_set_request(handle(), request.c_str())); }
    result<void> confirm_within(std::chrono::milliseconds time) {
        return detail::done(cms_txn_set_confirm(handle(), static_cast<std::uint64_t>(time.count())));
    }
    result<void> force(bool force) { return detail::done(cms_txn_set_force(handle(), force ? 1 : 0)); }
    result<std::uint32_t> savepoint() {
        std::uint32_t number = 0;
        const cms_status status = cms_txn_savepoint(handle(), &number);
        return detail::answer(status, std::move(number));
    }
    result<void> rollback_to(std::uint32_t savepoint) { return detail::done(cms_txn_rollback_to(handle(), savepoint)); }
    // Commits all changes, and returns the revision. The transaction has ended then, even on failure.
    result<std::uint64_t> commit() {
        std::uint64_t revision = 0;
        const cms_status status = cms_txn_commit(release(), &revision);
        return detail::answer(status, std::move(revision));
    }
    void rollback() { cms_txn_rollback(release()); }

  private:
    friend class detail::reading<transaction>;
    friend class detail::writing<transaction>;

    cms_status get_bool(const char *key, std::int32_t &to) const { return cms_txn_get_bool(handle(), key, 0, &to); }
    cms_status get_int(const char *key, std::int64_t least, std::int64_t most, std::int64_t &to) const {
        return cms_txn_get_int_range(handle(), key, least, most, 0, &to);
    }
    cms_status get_double(const char *key, double &to) const { return cms_txn_get_double(handle(), key, 0, &to); }
    cms_status get_size(const char *key, std::uint64_t &to) const { return cms_txn_get_size(handle(), key, 0, &to); }
    cms_status get_string(const char *key, std::string &to) const {
        return detail::read_text(
            [&](char *buffer, std::size_t room, std::size_t *len) { return cms_txn_get(handle(), key, buffer, room, len); },
            to);
    }
    cms_status get_items(const char *key, std::vector<std::string> &to) const {
        cms_list *list = nullptr;
        const cms_status status = cms_txn_list_open(handle(), key, &list);
        return detail::read_items(status, list, to);
    }
    cms_status set_text(const char *key, const char *value) { return cms_txn_set(handle(), key, value); }
    cms_status set_int(const char *key, std::int64_t value) { return cms_txn_set_int(handle(), key, value); }
    cms_status set_bool(const char *key, std::int32_t value) { return cms_txn_set_bool(handle(), key, value); }
    cms_status set_double(const char *key, double value) { return cms_txn_set_double(handle(), key, value); }
    cms_status set_size(const char *key, std::uint64_t value) { return cms_txn_set_size(handle(), key, value); }
    cms_status set_items(const char *key, const char *const *items, std::size_t count) {
        return cms_txn_set_list(handle(), key, items, count);
    }
};

// A key that is read again and again.
class key : public owned<cms_key, cms_key_close> {
  public:
    using owned::owned;

    // The value, without copying it; valid until the next call.
    std::optional<std::string_view> get() {
        cms_bytes found{};
        if (cms_key_get(handle(), &found) != CMS_OK)
            return std::nullopt;
        return detail::view(found);
    }
    template <class T> T get_or(T fallback) {
        if constexpr (std::is_same_v<T, bool>) {
            std::int32_t truth = 0;
            cms_key_get_bool(handle(), fallback ? 1 : 0, &truth);
            return truth != 0;
        } else if constexpr (detail::is_integer<T>) {
            std::int64_t number = 0;
            const cms_status status = cms_key_get_int_range(handle(), detail::least<T>(), detail::most<T>(), 0, &number);
            return status == CMS_OK ? static_cast<T>(number) : fallback;
        } else if constexpr (std::is_floating_point_v<T>) {
            double number = 0;
            cms_key_get_double(handle(), static_cast<double>(fallback), &number);
            return static_cast<T>(number);
        } else if constexpr (std::is_same_v<T, size>) {
            cms_key_get_size(handle(), fallback.bytes, &fallback.bytes);
            return fallback;
        } else {
            return T(get().value_or(fallback));
        }
    }
};

// A change in an event. Its strings are valid until the next change of the event.
class change {
  public:
    std::string_view key() const noexcept { return detail::view(raw_.key); }
    std::int32_t kind() const noexcept { return raw_.kind; }
    const cms_change &raw() const noexcept { return raw_; }
    cms_change &raw() noexcept { return raw_; }

  private:
    cms_change raw_{};
};

// A transaction as a watch delivers it. It is valid until the next event of the watch.
class event {
  public:
    explicit event(cms_event *of) noexcept : of_(of) {}

    result<cms_record> record() const {
        cms_record record{};
        record.size = sizeof record;
        const cms_status status = cms_event_record(of_, &record);
        return detail::answer(status, std::move(record));
    }
    // The next change; empty when there are no more.
    std::optional<change> next() {
        change found;
        found.raw().size = sizeof found.raw();
        if (cms_event_next_change(of_, &found.raw()) != CMS_OK)
            return std::nullopt;
        return found;
    }
    cms_event *handle() const noexcept { return of_; }

  private:
    cms_event *of_;
};

// Delivers the transactions that change keys of a pattern.
class watch : public owned<cms_watch, cms_watch_close> {
  public:
    using owned::owned;

    // A descriptor that is readable when there may be an event.
    result<std::int32_t> fd() {
        std::int32_t descriptor = -1;
        const cms_status status = cms_watch_fd(handle(), &descriptor);
        return detail::answer(status, std::move(descriptor));
    }
    // The next event; empty if there is none within that time.
    result<std::optional<event>> next(std::chrono::milliseconds time) {
        const auto most = static_cast<std::chrono::milliseconds::rep>(std::numeric_limits<std::int32_t>::max());
        return wait(static_cast<std::int32_t>(time.count() < most ? time.count() : most));
    }
    // Waits for the next event.
    result<std::optional<event>> next() { return wait(CMS_FOREVER); }
    result<void> merge(bool merge) { return detail::done(cms_watch_set_merge(handle(), merge ? 1 : 0)); }

  private:
    result<std::optional<event>> wait(std::int32_t time) {
        cms_event *found = nullptr;
        const cms_status status = cms_watch_next(handle(), time, &found);
        if (status == CMS_ERR_END)
            return std::optional<event>();
        return detail::answer(status, std::optional<event>(event(found)));
    }
};

// How a store is opened: see cms_options. What is empty or 0 is the default.
struct options {
    std::string config_dir, save_dir, run_dir, state_dir, source, durability;
    std::uint32_t flags = 0;
    std::uint64_t map_limit = 0, log_limit = 0;
    std::chrono::milliseconds text_delay{0}, verify_timeout{0};
    cms_message_callback on_message = nullptr;
    void *message_data = nullptr;
};

// An open store.
class store : public owned<cms_store, cms_close>, public detail::reading<store>, public detail::writing<store> {
  public:
    using owned::owned;

    static result<store> open(const cms::options &wanted = {}) {
        cms_options raw{};
        raw.size = sizeof raw;
        raw.config_dir = wanted.config_dir.c_str();
        raw.save_dir = wanted.save_dir.c_str();
        raw.run_dir = wanted.run_dir.c_str();
        raw.state_dir = wanted.state_dir.c_str();
        raw.source = wanted.source.c_str();
        raw.durability = wanted.durability.c_str();
        raw.flags = wanted.flags;
        raw.map_limit = wanted.map_limit;
        raw.log_limit = wanted.log_limit;
        raw.text_delay_ms = static_cast<std::uint64_t>(wanted.text_delay.count());
        raw.verify_timeout_ms = static_cast<std::uint64_t>(wanted.verify_timeout.count());
        raw.on_message = wanted.on_message;
        raw.message_data = wanted.message_data;
        cms_store *opened = nullptr;
        const cms_status status = cms_open(&raw, &opened);
        return detail::answer(status, store(opened));
    }

    result<cms::snapshot> snapshot() const {
        cms_snapshot *opened = nullptr;
        const cms_status status = cms_snapshot_open(handle(), &opened);
        return detail::answer(status, cms::snapshot(opened));
    }
    result<transaction> begin() const {
        cms_txn *begun = nullptr;
        const cms_status status = cms_begin(handle(), &begun);
        return detail::answer(status, transaction(begun));
    }
    result<cms::key> key(text text) const {
        cms_key *opened = nullptr;
        const cms_status status = cms_key_open(handle(), text.c_str(), &opened);
        return detail::answer(status, cms::key(opened));
    }
    result<cms::watch> watch(text pattern, std::uint64_t since = CMS_SINCE_NOW) const {
        cms_watch *opened = nullptr;
        const cms_status status = cms_watch_open(handle(), pattern.c_str(), since, &opened);
        return detail::answer(status, cms::watch(opened));
    }
    std::uint64_t revision() const {
        std::uint64_t number = 0;
        return cms_revision(handle(), &number) == CMS_OK ? number : 0;
    }
    // Notices edits by hand; says whether there were any.
    result<bool> refresh() const {
        std::int32_t changed = 0;
        const cms_status status = cms_refresh(handle(), &changed);
        return detail::answer(status, changed != 0);
    }
    result<std::string> resolve(text key) const {
        std::string name;
        const cms_status status = detail::read_text(
            [&](char *to, std::size_t room, std::size_t *len) {
                return cms_resolve(handle(), key.c_str(), to, room, len);
            },
            name);
        return detail::answer(status, std::move(name));
    }
    // Changes in one call, each a transaction of its own, as those of cms.h.
    result<void> add_list(text key, text item) { return detail::done(cms_add_list(handle(), key.c_str(), item.c_str())); }
    result<void> del_list(text key, text item) { return detail::done(cms_del_list(handle(), key.c_str(), item.c_str())); }
    result<void> remove(text key) { return detail::done(cms_delete(handle(), key.c_str())); }
    result<void> rename(text key, text name) { return detail::done(cms_rename(handle(), key.c_str(), name.c_str())); }
    result<void> reorder(text key, std::size_t position) { return detail::done(cms_reorder(handle(), key.c_str(), position)); }
    result<void> add_package(text package) { return detail::done(cms_add_package(handle(), package.c_str())); }
    result<void> remove_package(text package) { return detail::done(cms_delete_package(handle(), package.c_str())); }

  private:
    friend class detail::reading<store>;
    friend class detail::writing<store>;

    cms_status get_bool(const char *key, std::int32_t &to) const { return cms_get_bool(handle(), key, 0, &to); }
    cms_status get_int(const char *key, std::int64_t least, std::int64_t most, std::int64_t &to) const {
        return cms_get_int_range(handle(), key, least, most, 0, &to);
    }
    cms_status get_double(const char *key, double &to) const { return cms_get_double(handle(), key, 0, &to); }
    cms_status get_size(const char *key, std::uint64_t &to) const { return cms_get_size(handle(), key, 0, &to); }
    cms_status get_string(const char *key, std::string &to) const {
        return detail::read_text(
            [&](char *buffer, std::size_t room, std::size_t *len) { return cms_get(handle(), key, buffer, room, len); },
            to);
    }
    cms_status get_items(const char *key, std::vector<std::string> &to) const {
        cms_list *list = nullptr;
        const cms_status status = cms_list_open(handle(), key, &list);
        return detail::read_items(status, list, to);
    }
    cms_status set_text(const char *key, const char *value) { return cms_set(handle(), key, value); }
    cms_status set_int(const char *key, std::int64_t value) { return cms_set_int(handle(), key, value); }
    cms_status set_bool(const char *key, std::int32_t value) { return cms_set_bool(handle(), key, value); }
    cms_status set_double(const char *key, double value) { return cms_set_double(handle(), key, value); }
    cms_status set_size(const char *key, std::uint64_t value) { return cms_set_size(handle(), key, value); }
    cms_status set_items(const char *key, const char *const *items, std::size_t count) {
        return cms_set_list(handle(), key, items, count);
    }
};

} // namespace cms

#endif // CMS_HPP_
