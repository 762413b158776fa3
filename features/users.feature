Feature: Accounts and sessions

  Rule: An account belongs to one e-mail address

    Scenario: Someone signs up and logs in
      When Mina signs up
      And Mina logs in
      Then Mina is known as a fan

    Scenario: Upper and lower case make no other address
      When Mina signs up
      And Jun tries to sign up with the e-mail "MINA@test.example" and the password "a new secret"
      Then Jun is refused because the e-mail already has an account

    Scenario: All wrong fields are named at once
      When Mina tries to sign up with the e-mail "nobody" and the password "short"
      Then Mina is refused because a field is wrong
      And Mina is told what is wrong with:
        | email    |
        | password |

  Rule: Only the right password opens an account

    Scenario: A wrong password
      When Mina signs up
      And Mina tries to log in with the password "not my password"
      Then Mina is refused because the e-mail or the password is wrong

    Scenario: The refusal does not say whether an account exists
      Given Jun is a visitor
      When Jun tries to log in with the password "a password of tests"
      Then Jun is refused because the e-mail or the password is wrong

    Scenario: After too many wrong passwords the account is locked for a while
      Given each account may log in 3 times a minute
      When Mina signs up
      And Mina tries to log in 4 times with a wrong password
      Then Mina is refused because there were too many attempts
      And Mina is asked to come back later

  Rule: A session ends when its owner logs out

    Scenario: The session cannot be used after the log-out
      Given Mina is logged in
      When Mina logs out
      Then Mina is asked to log in
      When Mina tries to renew the session
      Then Mina is refused because the session has ended

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
      Then Jun is refused because he is not logged in

  Rule: Each token renews the session once

    Scenario: The session goes on
      Given Mina is logged in
      When Mina renews the session
      And Mina renews the session
      Then Mina is known as a fan

    Scenario: A stolen token that was used before ends the session
      Given Mina is logged in
      When Mina renews the session
      And Mina renews the session
      And more than 10 seconds have passed since the renewals of Mina
      And a thief renews the session of Mina with the first token
      Then Mina is refused because the session has ended
      When Mina tries to renew the session
      Then Mina is refused because the session has ended
      And Mina is asked to log in

  Rule: An account belongs to its owner from the sign-up to the end

    Scenario: The life of an account
      Given mails go into a file
      When Mina signs up
      And Mina logs in
      And Mina asks for a mail that verifies the address
      And Mina opens the link of the mail
      And Mina renews the session
      Then the e-mail address of Mina is verified
      When Mina tries to log in 2 times with a wrong password
      Then Mina is refused because the e-mail or the password is wrong
      When Mina logs in on a phone too
      And Mina changes the password to "a second password"
      And Mina renews the session
      Then Mina is known as a fan
      But Mina is asked to log in on the phone
      When Mina tries to log in with the password "a password of tests"
      Then Mina is refused because the e-mail or the password is wrong
      When Mina has forgotten the password
      And Mina sets the password "a third password" with the link of the mail
      Then Mina is asked to log in
      When Mina tries to log in with the password "a second password"
      Then Mina is refused because the e-mail or the password is wrong
      When Mina logs in with the password "a third password"
      Then Mina is known as a fan
      When Mina deletes the account with the password "a third password"
      Then Mina is asked to log in
      When Mina tries to log in with the password "a third password"
      Then Mina is refused because the e-mail or the password is wrong
      When Mina signs up
      And Mina logs in
      Then Mina is known as a fan
      But the e-mail address of Mina is not verified
