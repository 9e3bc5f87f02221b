# Makes the manual pages of the library from its header: one for each group of functions, one for all, and for each
# function, struct and callback a page that leads to the one of its group.
# awk -v out=DIRECTORY -v template=libcms.3.in -f man.awk cms.h

# Escapes text for troff.
function plain(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/'/, "\\(aq", text)
    if (text ~ /^\./) text = "\\\\&" text
    return text
}

# The same for prose, in which names and what stands in backticks are bold.
function prose(text,    from, to, made) {
    gsub(/\\/, "\\e", text)
    gsub(/'/, "\\(aq", text)
    made = ""
    while (match(text, /`[^`]+`|(cms|CMS)_[A-Za-z0-9_]*[A-Za-z0-9]/)) {
        made = made substr(text, 1, RSTART - 1) "\\fB" unquoted(substr(text, RSTART, RLENGTH)) "\\fR"
        text = substr(text, RSTART + RLENGTH)
    }
    text = made text
    return text ~ /^\./ ? "\\&" text : text
}

function unquoted(text) {
    gsub(/`/, "", text)
    gsub(/-/, "\\-", text)
    return text
}

# Returns the name that a declaration declares: of a function, or of a type.
function declared(text,    name) {
    if (text ~ /^typedef [^;]*\(\*cms_/) { name = text; sub(/^[^(]*\(\*/, "", name); sub(/\).*/, "", name); return name }
    if (text ~ /^typedef/) { name = text; sub(/;[^;]*$/, "", name); sub(/.*[ }]/, "", name); return name }
    if (text ~ /^#define/) { split(text, word, " "); return word[2] }
    name = text; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
    return name
}

# Writes a comment as paragraphs: an empty line begins one.
function paragraphs(comment, file,    lines, count, i) {
    count = split(comment, lines, "\n")
    for (i = 1; i <= count; i++)
        print (lines[i] == "" ? ".PP" : prose(lines[i])) > file
}

# Writes a declaration as it is in the header, without the comments in it, or with them.
function code(text, file,    lines, count, i) {
    count = split(text, lines, "\n")
    for (i = 1; i <= count; i++)
        print plain(lines[i]) > file
}

FNR == 1 { in_rules = 1 }
in_rules {
    line = $0
    if (line ~ /^ \*\//) { in_rules = 0; next }
    if (line ~ /^\/\*/) next
    sub(/^ \* ?/, "", line)
    rules[++rule_lines] = line
    next
}
/^#define CMS_VERSION "/ { version = $3; gsub(/"/, "", version) }
/^\/\* ---- .* ---- \*\/$/ {
    heading = $0
    sub(/^\/\* ---- /, "", heading); sub(/ ---- \*\/$/, "", heading)
    next
}
!body && /^\/\/ ?/ {
    line = $0
    sub(/^\/\/ ?/, "", line)
    comment = comment == "" ? line : comment "\n" line
    next
}
!body && /^(#define CMS_(OPEN|OPTION|BY|CHANGE|SINCE|FOREVER|MESSAGE)|typedef |(const char \*|cms_|void |int32_t |uint32_t |size_t )[a-z_]*)/ { body = $0; ended = 0; deep = ($0 ~ /\{$/) }
body {
    if (body != $0) body = body "\n" $0
    if ($0 ~ /^#define/ || (!deep && $0 ~ /;$/) || (deep && $0 ~ /^}/)) {
        name = declared(body)
        text[name] = body; about[name] = comment
        if (body ~ /^#define/) constants[++constant_count] = name
        else if (body ~ /^typedef/) types[++type_count] = name
        else {
            if (heading != group_heading[groups]) { group_heading[++groups] = heading; group_first[groups] = name }
            group[name] = groups
            functions[++function_count] = name
        }
        body = ""; comment = ""
    }
    next
}
/^$/ { comment = "" }

# Returns the comment and the code of all functions of a group.
function words_of(number,    i, all) {
    all = ""
    for (i = 1; i <= function_count; i++)
        if (group[functions[i]] == number) all = all " " about[functions[i]] " " text[functions[i]]
    for (i = 1; i <= type_count; i++)
        if (home[types[i]] == number) all = all " " about[types[i]] " " text[types[i]]
    return all
}

# Gives each type to the first group that names it in a declaration or, for a type that only types name, to theirs.
function find_homes(    i, j, name, pass) {
    for (i = 1; i <= type_count; i++) {
        name = types[i]
        for (j = 1; j <= function_count && !(name in home); j++)
            if (text[functions[j]] ~ "(^|[^a-z_])" name "([^a-z_]|$)") home[name] = group[functions[j]]
    }
    for (i = 1; i <= type_count; i++)
        for (j = 1; j <= type_count && !(types[i] in home); j++)
            if ((types[j] in home) && text[types[j]] ~ "(^|[^a-z_])" types[i] "([^a-z_]|$)") home[types[i]] = home[types[j]]
}

# Writes a list of items with commas.
function listed(items, count, before, file,    i) {
    for (i = 1; i <= count; i++)
        print before items[i] (i < count ? "," : "") > file
}

function page(number,    file, i, n, names, all, prefix, part, shown) {
    file = out "/" group_first[number] ".3"
    n = 0
    for (i = 1; i <= function_count; i++) if (group[functions[i]] == number) names[++n] = functions[i]
    print ".\\\" Made from cms.h by man.awk." > file
    print ".TH " group_first[number] " 3 \"\" \"cms " version "\" \"Library Functions\"" > file
    # Names are not hyphenated.
    print ".nh\n.ad l" > file
    print ".SH NAME" > file
    listed(names, n, "", file)
    print "\\- " tolower(substr(group_heading[number], 1, 1)) substr(group_heading[number], 2) > file
    print ".SH SYNOPSIS\n.nf\n#include <cms.h>" > file
    for (i = 1; i <= n; i++) { print "" > file; print ".ft B" > file; code(text[names[i]], file); print ".ft R" > file }
    print ".fi\n.SH DESCRIPTION" > file
    for (i = 1; i <= n; i++) {
        print ".SS " names[i] > file
        paragraphs(about[names[i]], file)
    }
    shown = 0
    for (i = 1; i <= type_count; i++) if (home[types[i]] == number && types[i] != "cms_status") {
        if (!shown++) print ".SH TYPES" > file
        print ".SS " types[i] > file
        paragraphs(about[types[i]], file)
        if (text[types[i]] !~ /^typedef struct cms_/) {
            print ".PP\n.nf" > file; code(text[types[i]], file); print ".fi" > file
        }
    }
    all = words_of(number)
    shown = 0
    for (i = 1; i <= constant_count; i++) {
        prefix = constants[i]
        if (split(prefix, part, "_") > 2) prefix = part[1] "_" part[2] "_"
        if (index(all, prefix)) {
            if (!shown++) print ".SH CONSTANTS" > file
            print ".TP\n.B " constants[i] > file
            paragraphs(about[constants[i]], file)
        }
    }
    print ".SH RETURN VALUE\nWhat each\n.B CMS_ERR_\nmeans is told for the function, and in\n.BR libcms (3),\nwith the rules for all functions." > file
    print ".SH SEE ALSO\n.BR libcms (3)" > file
    close(file)
}

# Writes a page that leads to another one.
function lead(name, to,    file) {
    if (name == to) return
    file = out "/" name ".3"
    print ".so man3/" to ".3" > file
    close(file)
}

function write_groups(file,    number, i, n, names) {
    for (number = 1; number <= groups; number++) {
        n = 0
        for (i = 1; i <= function_count; i++) if (group[functions[i]] == number) names[++n] = functions[i]
        print ".TP\n.BR " group_first[number] " (3)" > file
        print prose(group_heading[number]) ":" > file
        listed(names, n, "", file)
    }
}

# Writes the rules of the header: a name, blanks and text begin each; more lines follow.
function write_rules(file,    i, line, name, begun) {
    for (i = 1; i <= rule_lines; i++) {
        line = rules[i]
        if (line ~ /^[A-Za-z]+  +[A-Z]/ ) {
            begun = 1
            name = line; sub(/ .*/, "", name)
            sub(/^[A-Za-z]+ +/, "", line)
            print ".TP\n.B " name > file
        }
        if (!begun || line == "") continue
        sub(/^ +/, "", line)
        print prose(line) > file
    }
}

function write_statuses(file,    lines, count, i, line, held) {
    paragraphs(about["cms_status"], file)
    count = split(text["cms_status"], lines, "\n")
    held = ""
    for (i = 1; i <= count; i++) {
        line = lines[i]
        sub(/^ +/, "", line)
        if (line ~ /^\/\/ /) { sub(/^\/\/ /, "", line); held = held == "" ? line : held "\n" line }
        else if (line ~ /^CMS_/) {
            sub(/,$/, "", line)
            print ".TP\n.B " line > file
            paragraphs(held, file)
            held = ""
        }
    }
}

END {
    find_homes()
    for (number = 1; number <= groups; number++) page(number)
    for (i = 1; i <= function_count; i++) lead(functions[i], group_first[group[functions[i]]])
    for (i = 1; i <= type_count; i++)
        lead(types[i], types[i] == "cms_status" ? "libcms" : group_first[home[types[i]]])
    file = out "/libcms.3"
    while ((getline line < template) > 0) {
        gsub(/@VERSION@/, version, line)
        if (line == "@GROUPS@") write_groups(file)
        else if (line == "@RULES@") write_rules(file)
        else if (line == "@STATUSES@") write_statuses(file)
        else print line > file
    }
    close(file)
}
