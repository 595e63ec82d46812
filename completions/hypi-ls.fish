function __hypi-ls_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __hypi-ls_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __hypi-ls_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __hypi-ls_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __hypi-ls_parse_tokens -S
    set -l unparsed_tokens (__hypi-ls_tokens -pc)
    switch $unparsed_tokens[1]
    case 'hypi-ls'
        __hypi-ls_parse_subcommand -r 1 'activity=+' 'machine=+' 'cwd=+' 'name=+' 'status=' 'watch' 'since=' 'wait=' 'timeout=' 'json' 'table' 'q/quiet' 'no-color' 'hypivisor=' 'token-file=' 'ca-file=' 'tls-pin=' 'insecure' 'version' 'h/help'
    end
end

function __hypi-ls_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __hypi-ls_parse_subcommand -S -a positional_count
    argparse -s r -- $argv
    set -l option_specs $argv[2..]
    set -l is_repeating_positional $_flag_r
    set -el _flag_r
    set -a commands $unparsed_tokens[1]
    set positional_index 0
    while true
        set -e unparsed_tokens[1]
        argparse -sn "$commands" $option_specs -- $unparsed_tokens 2> /dev/null
        set unparsed_tokens $argv
        set positional_index (math $positional_index + 1)
        for non_repeating_flag_or_option in $non_repeating_flags_or_options
            if set -ql "_flag_$(string replace -a - _ -- $non_repeating_flag_or_option)"
                set non_repeating_flags_or_options_absent 1
                break
            end
        end
        test (count $unparsed_tokens) -eq 0 -o \( -z "$is_repeating_positional" -a "$positional_index" -gt "$positional_count" \) && break
    end
end

function __hypi-ls_complete_directories
    set -l token (commandline -t)
    __fish_complete_directories $token ''
end

function __hypi-ls_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__hypi-ls_tokens -p)
    if test -z "$(__hypi-ls_tokens -t)"
        set -l index (count (__hypi-ls_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'hypi-ls' -f
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_positional "hypi-ls" -ge 1' -fka '(__hypi-ls_custom_completion ---completion -- positional@0 (count (__hypi-ls_tokens -pc)) (__hypi-ls_tokens -tC))'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls"' -l 'activity' -d 'Doing this.' -rfka 'starting idle working input-required retrying compacting blocked stopping'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls"' -l 'machine' -d 'Only on this machine.' -rfka '(__hypi-ls_custom_completion ---completion -- --machine (count (__hypi-ls_tokens -pc)) (__hypi-ls_tokens -tC))'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls"' -l 'cwd' -d 'Only in this folder or below.' -rfa '(__hypi-ls_complete_directories)'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls"' -l 'name' -d 'Only with a name like this, such as \'nightly-*\'.' -rfka '(__hypi-ls_custom_completion ---completion -- --name (count (__hypi-ls_tokens -pc)) (__hypi-ls_tokens -tC))'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" status' -l 'status' -d 'Only registered so.' -rfka 'active offline'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" watch' -l 'watch' -d 'Go on with every change until interrupted.'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" since' -l 'since' -d 'Go on behind this cursor of --watch.' -rfka ''
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" wait' -l 'wait' -d 'Until all are so.' -rfka 'idle input-required ready gone'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" timeout' -l 'timeout' -d 'Give up after this time, such as 30s or 5m (exit 124).' -rfka ''
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" json' -l 'json' -d 'One JSON object a line, as in a pipe.'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" table' -l 'table' -d 'A table, as on a terminal.'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" q quiet' -l 'quiet' -s 'q' -d 'Ids only.'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" no-color' -l 'no-color' -d 'No colours (also NO_COLOR, TERM=dumb).'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" hypivisor' -l 'hypivisor' -d 'Registry to talk to (HYPIVISOR_WS).' -rfka ''
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" token-file' -l 'token-file' -d 'File with the token (HYPI_TOKEN_FILE).' -rF
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" ca-file' -l 'ca-file' -d 'Authorities to trust on wss:// (HYPI_CA_FILE).' -rF
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" tls-pin' -l 'tls-pin' -d 'The one certificate to trust (HYPI_TLS_PIN).' -rfka ''
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" insecure' -l 'insecure' -d 'Send the token over plain ws:// to another machine.'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" version' -l 'version' -d 'Show the version.'
complete -c 'hypi-ls' -n '__hypi-ls_should_offer_completions_for_flags_or_options "hypi-ls" h help' -s 'h' -l 'help' -d 'Show help information.'
