package chaos

import "fmt"

// What the broker is made to do to itself. Each expression waits until there is something to strike, has the time of its strike as its value, and does not end before its effect shows at the broker:
// a fault that hits nothing is an error.

// helpers: Until waits for the truth of something, or fails; Now is the time.
const helpers = `Until = fun(What, Is) -> (fun Again(0) -> exit({not_seen, What}); Again(N) -> case Is() of true -> ok; _ -> timer:sleep(20), Again(N - 1) end end)(1000) end,
Now = fun() -> erlang:system_time(microsecond) end,
`

// crash kills the process that has a queue or leads a stream, once there is one: a broker that has just started answers before all have. Its supervisor at the broker, or its coordinator, starts another.
const crash = helpers + `Name = rabbit_misc:r(<<"/">>, queue, <<"%s">>),
Has = fun() -> case rabbit_amqqueue:lookup(Name) of {ok, Q} -> case amqqueue:get_pid(Q) of {N, On} -> rpc:call(On, erlang, whereis, [N]); P -> P end; _ -> none end end,
Until(process, fun() -> is_pid(Has()) end),
Pid = Has(), At = Now(), exit(Pid, kill), Until(death, fun() -> not rpc:call(node(Pid), erlang, is_process_alive, [Pid]) end), At.`

// moveLeader has another node lead a quorum queue; of a stream, whose leader cannot be moved on all versions, see crash.
const moveLeader = helpers + `Name = rabbit_misc:r(<<"/">>, queue, <<"%s">>),
Leader = fun() -> {ok, Q} = rabbit_amqqueue:lookup(Name), case ra:members(amqqueue:get_pid(Q), 5000) of {ok, _, {_, On}} -> On; Other -> Other end end,
Was = Leader(), {ok, Q} = rabbit_amqqueue:lookup(Name), [To | _] = [N || N <- nodes() ++ [node()], N =/= Was], At = Now(),
{migrated, To} = rabbit_quorum_queue:transfer_leadership(Q, To),
Until(leader, fun() -> Leader() =:= To end), At.`

// leads names the node that leads a queue or a stream, or led it last.
const leads = `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"%s">>)), case amqqueue:get_pid(Q) of {_, On} -> On; P -> node(P) end.`

// members is how many nodes have a copy of a queue or a stream.
const members = `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"%s">>)), length(maps:get(nodes, amqqueue:get_type_state(Q))).`

// whole waits until all nodes run, see each other, and none believes in a partition any more: for a while, since the one that was away may have to start again.
const whole = `Is = fun() -> All = [node() | nodes()], length(All) =:= 3 andalso lists:all(fun(N) ->
  rpc:call(N, rabbit, is_running, [], 2000) =:= true andalso length(rpc:call(N, erlang, nodes, [], 2000)) =:= 2 andalso rpc:call(N, rabbit_node_monitor, partitions, [], 2000) =:= [] end, All) end,
(fun Again(0) -> ok; Again(N) -> case catch Is() of true -> timer:sleep(500), Again(N - 1); _ -> timer:sleep(200), Again(4) end end)(4).`

// missed waits until the other nodes miss one.
const missed = helpers + `Until(down, fun() -> not lists:member('%s', [node() | nodes()]) end), ok.`

// closeAll: the tool's command to close connections does not know those of streams.
var closeAll = closeAfter("ok")

// closeAfter is closeAll behind something else, which may keep connections from coming back.
func closeAfter(first string) string { return helpers + connected + first + ",\n" + closing }

const connected = `Connections = fun() -> [{P, stream} || P <- pg_local:get_members(rabbit_stream_connections)] ++ [{P, amqp} || P <- rabbit_networking:connections()] end,
Until(connections, fun() -> Connections() =/= [] end),
`

const closing = `All = Connections(), At = Now(),
[case Protocol of stream -> exit(P, kill); amqp -> rabbit_networking:close_connection(P, "a schedule says so") end || {P, Protocol} <- All],
Until(ends, fun() -> not lists:any(fun({P, _}) -> is_process_alive(P) end, All) end), At.`

// closeChannels has every second AMQP channel closed, by one of two errors that a client can make: an acknowledgement of what was never delivered, and a question for a queue that is not there. Their connections stay, where no other fault ends them.
func closeChannels(which int, alone bool) string {
	method := "{'basic.ack', 18446744073709551615, false}"
	if which%4 < 2 {
		method = `{'queue.declare', 0, <<"no such queue">>, true, false, false, false, false, []}`
	}
	return helpers + fmt.Sprintf(`Until(channels, fun() -> length(rabbit_channel:list_local()) > 1 end),
Struck = [C || {I, C} <- lists:enumerate(lists:sort(rabbit_channel:list_local())), I rem 2 =:= %d], Connections = rabbit_networking:connections(), At = Now(),
[rabbit_channel:do(C, %s) || C <- Struck],
Until(ends, fun() -> not lists:any(fun erlang:is_process_alive/1, Struck) end),
true = not %t orelse Connections -- rabbit_networking:connections() =:= [], At.`, which%2, method, alone)
}

// cancel has the broker tell one client of the channel that its consumer was cancelled, as it does when a queue goes or fails over; the consumer must be gone then, with its AMQP channel. What has its records over the
// stream protocol is told that the stream is not available.
func cancel(channel string, which int) string {
	return helpers + fmt.Sprintf(`Channel = <<"%s">>,
Consumers = fun() -> lists:sort([K || C <- ets:tab2list(consumer_created), K = {{resource, _, _, Name}, P, _} <- [element(1, C)], is_process_alive(P), Name =:= Channel orelse string:prefix(Name, <<Channel/binary, ".">>) =/= nomatch]) end,
Until(consumers, fun() -> Consumers() =/= [] end),
All = Consumers(), Struck = {{resource, _, _, Name}, Pid, Tag} = lists:nth(1 + %d rem length(All), All), At = Now(),
case lists:member(Pid, pg_local:get_members(rabbit_stream_connections)) of
  true ->
    {_, {statem_data, _, Connection, _, _}} = sys:get_state(Pid),
    [Pid ! {'DOWN', Ref, process, Pid, cancelled} || Monitors <- tuple_to_list(Connection), is_map(Monitors), {Ref, Of} <- maps:to_list(Monitors), is_reference(Ref), Of =:= Name orelse is_tuple(Of) andalso element(2, Of) =:= Name];
  false ->
    {dictionary, Dictionary} = process_info(Pid, dictionary), [Supervisor | _] = proplists:get_value('$ancestors', Dictionary),
    {_, Writer, _, _} = lists:keyfind(writer, 1, supervisor:which_children(Supervisor)),
    ok = rabbit_writer:send_command(Writer, {'basic.cancel', Tag, true})
end,
Until(cancellation, fun() -> not lists:member(Struck, Consumers()) end), At.`, channel, which)
}

const deleteExchange = helpers + `Name = rabbit_misc:r(<<"/">>, exchange, <<"%s">>),
Until(exchange, fun() -> rabbit_exchange:lookup(Name) =/= {error, not_found} end),
At = Now(), ok = rabbit_exchange:delete(Name, false, <<"chaos">>), At.`

// The users' credentials.
const (
	user, password = "chaos", "chaos"
	addUser        = `rabbit_auth_backend_internal:add_user(<<"` + user + `">>, <<"` + password + `">>, <<"chaos">>),
rabbit_auth_backend_internal:set_permissions(<<"` + user + `">>, <<"/">>, <<".*">>, <<".*">>, <<".*">>, <<"chaos">>), ok = mnesia:sync_log().`
	changePassword = `ok = rabbit_auth_backend_internal:change_password(<<"` + user + `">>, <<"%s">>, <<"chaos">>)`
)

// Connections are refused by a port that is shut, or by a limit.
const (
	shutPorts = `ok = rabbit_maintenance:suspend_all_client_listeners()`
	openPorts = `rabbit_maintenance:resume_all_client_listeners().`
	setLimit  = `ok = rabbit_vhost_limit:set(<<"/">>, [{<<"max-connections">>, 0}], <<"chaos">>)`
	clearIt   = `rabbit_vhost_limit:clear(<<"/">>, <<"chaos">>).`
)

// setTimeOut has the broker close channels whose consumers do not acknowledge within a time, and look for it more often than once a minute. It concerns channels that are opened from then on.
const (
	setTimeOut   = `application:set_env(rabbit, consumer_timeout, %d), application:set_env(rabbit, channel_tick_interval, 200).`
	clearTimeOut = `application:set_env(rabbit, consumer_timeout, 1800000), application:set_env(rabbit, channel_tick_interval, 60000).`
)

// unsettled is the most that one consumer's AMQP channel has unacknowledged.
const unsettled = `lists:max([0 | [N || C <- ets:tab2list(consumer_created), {{resource, _, _, <<"%s">>}, P, _} <- [element(1, C)], is_process_alive(P), {messages_unacknowledged, N} <- rabbit_channel:info(P, [messages_unacknowledged])]]).`
