Feature: Accounts and sessions

  Rule: An account belongs to one e-mail address

    Scenario: Someone signs up and logs in
      When Mina signs up
      And Mina logs in
      Then Mina is known as a fan

    Scenario: An address is taken, however it is written
      When Mina signs up
      And Jun tries to sign up with the e-mail "MINA@test.example" and the password "a new secret"
      Then Jun is refused with EMAIL_TAKEN

    Scenario: Everything that is wrong is told at once
      When Mina tries to sign up with the e-mail "nobody" and the password "short"
      Then Mina is refused with VALIDATION
      And Mina is told what is wrong with:
        | email    |
        | password |

  Rule: Only the right password opens an account

    Scenario: A wrong password
      When Mina signs up
      And Mina tries to log in with the password "not my password"
      Then Mina is refused with BAD_CREDENTIALS

    Scenario: Nobody learns who has an account
      Given Jun is a visitor
      When Jun tries to log in with the password "a password of tests"
      Then Jun is refused with BAD_CREDENTIALS

    Scenario: Whoever guesses passwords has to wait
      Given each account may log in 3 times a minute
      When Mina signs up
      And Mina tries to log in 4 times with a wrong password
      Then Mina is refused with TOO_MANY_REQUESTS
      And Mina is asked to come back later

  Rule: A session ends when its owner says so

    Scenario: After the log-out the session is worth nothing
      Given Mina is logged in
      When Mina logs out
      Then Mina is asked to log in
      When Mina tries to renew the session
      Then Mina is refused with UNAUTHORIZED

    Scenario: Another device stays logged in
      Given Mina is logged in
      And Mina logs in on a phone too
      When Mina logs out on the phone
      Then Mina is asked to log in on the phone
      But Mina is known as a fan

    Scenario: Without a session there are no seats
      Given a match is on sale
      And Jun is a visitor
      When Jun tries to hold seat 1
      Then Jun is refused with UNAUTHORIZED

  Rule: A session is renewed by one token after the other

    Scenario: The session goes on
      Given Mina is logged in
      When Mina renews the session
      And Mina renews the session
      Then Mina is known as a fan

    Scenario: A token that was used before ends the session of thief and owner
      Given Mina is logged in
      When Mina renews the session
      And Mina renews the session
      And more than 10 seconds have passed since the renewals of Mina
      And a thief renews the session of Mina with the first token
      Then Mina is refused with UNAUTHORIZED
      When Mina tries to renew the session
      Then Mina is refused with UNAUTHORIZED
      And Mina is asked to log in
